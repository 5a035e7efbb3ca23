// What is seen of the sound: its spectrum, the last seconds, the code. Low is left, or below.

const LOW_HZ = 50;
const FLOOR_DB = -98;
const TOP_DB = -38;
const STOPS = [
  [0, [13, 15, 21]],
  [0.25, [38, 34, 84]],
  [0.5, [142, 48, 102]],
  [0.75, [247, 140, 60]],
  [1, [255, 240, 205]],
];

const COLOURS = Array.from({ length: 256 }, (_, place) => {
  const at = place / 255;
  const upper = Math.max(1, STOPS.findIndex(([stop]) => stop >= at));
  const [[low, from], [high, to]] = [STOPS[upper - 1], STOPS[upper]];
  const mix = (at - low) / (high - low);
  return from.map((value, i) => Math.round(value + (to[i] - value) * mix));
});

/** Make the canvas as fine as the screen; its size in such pixels. */
function fitted(canvas) {
  const scale = Math.min(2, window.devicePixelRatio || 1);
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  const isNew = canvas.width !== width || canvas.height !== height;
  if (isNew) Object.assign(canvas, { width, height });
  return { width, height, scale, isNew };
}

export class Pictures {
  constructor({ width, height }) {
    Object.assign(this, { width, height, image: new ImageData(width, height) });
  }

  /** Show bytes in rows, one or three a pixel. */
  show(canvas, bytes) {
    const { width, height, image } = this;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const channels = bytes.length / (width * height);
    for (let i = 0; i < width * height; i += 1) {
      for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = bytes[channels * i + (channels === 3 ? c : 0)];
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
}

export class Scope {
  constructor({ spectrum, spectrogram, code }) {
    Object.assign(this, { spectrum, spectrogram, code, at: 0 });
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Draw what `analyser` hears now. */
  draw(analyser) {
    this.levels ??= new Float32Array(analyser.frequencyBinCount);
    if (this.levels.length !== analyser.frequencyBinCount) this.levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(this.levels);
    const high = analyser.context.sampleRate / 2;
    this.drawSpectrum(high);
    this.drawSpectrogram(high);
  }

  /** How loud it is, 0 to 1, at so many places from low to high, even to the ear. */
  loudness(count, high) {
    const bins = this.levels.length;
    const key = `${count} ${bins} ${high}`;
    this.edges ??= new Map();
    if (!this.edges.has(key)) {
      const edge = (_, place) => Math.min(bins - 1, ((LOW_HZ * (high / LOW_HZ) ** (place / count)) / high) * bins);
      this.edges.set(key, Float32Array.from({ length: count + 1 }, edge));
    }
    const edges = this.edges.get(key);
    return Float32Array.from({ length: count }, (_, place) => {
      const db = this.loudest(edges[place], edges[place + 1]) || FLOOR_DB; // silence is no number
      return Math.min(1, Math.max(0, (db - FLOOR_DB) / (TOP_DB - FLOOR_DB)));
    });
  }

  /** The loudest bin in between; between two bins, what lies on the way. */
  loudest(from, to) {
    const first = Math.ceil(from);
    if (first < to) {
      let top = FLOOR_DB;
      for (let bin = first; bin < to; bin += 1) top = Math.max(top, this.levels[bin]);
      return top;
    }
    const below = this.levels[first - 1] ?? this.levels[first];
    return below + (this.levels[first] - below) * (from - first + 1);
  }

  drawSpectrum(high) {
    const { width, height, scale } = fitted(this.spectrum);
    const brush = this.spectrum.getContext("2d");
    brush.clearRect(0, 0, width, height);
    const levels = this.loudness(Math.ceil(width / (2 * scale)), high);
    const line = new Path2D();
    levels.forEach((level, place) => {
      const y = height - 2 * scale - level * (height - 6 * scale);
      line.lineTo((place * width) / (levels.length - 1), y);
    });
    const area = new Path2D(line);
    area.lineTo(width, height);
    area.lineTo(0, height);
    const fill = brush.createLinearGradient(0, 0, 0, height);
    fill.addColorStop(0, "rgba(255, 179, 71, 0.5)");
    fill.addColorStop(1, "rgba(255, 179, 71, 0.03)");
    brush.fillStyle = fill;
    brush.fill(area);
    brush.strokeStyle = "#ffb347";
    brush.lineWidth = 1.5 * scale;
    brush.stroke(line);
  }

  /** The newest column; where motion is unwelcome, it sweeps over the old ones instead. */
  drawSpectrogram(high) {
    const { width, height, scale, isNew } = fitted(this.spectrogram);
    const brush = this.spectrogram.getContext("2d", { alpha: false });
    if (isNew) this.empty(brush, width, height);
    const across = Math.round(scale);
    const column = brush.createImageData(across, height);
    const levels = this.loudness(height, high);
    for (let y = 0; y < height; y += 1) {
      const colour = COLOURS[Math.round(255 * levels[height - 1 - y])];
      for (let x = 0; x < across; x += 1) column.data.set([...colour, 255], 4 * (y * across + x));
    }
    if (this.still.matches) {
      brush.putImageData(column, this.at, 0);
      this.at = (this.at + across) % width;
      return;
    }
    brush.drawImage(this.spectrogram, -across, 0);
    brush.putImageData(column, width - across, 0);
  }

  empty(brush, width, height) {
    brush.fillStyle = `rgb(${COLOURS[0].join(" ")})`;
    brush.fillRect(0, 0, width, height);
    this.at = 0;
  }

  drawCode(code) {
    const { width, height, scale } = fitted(this.code);
    const brush = this.code.getContext("2d");
    brush.clearRect(0, 0, width, height);
    const each = width / code.length;
    const thick = Math.max(1, each - Math.max(1, Math.round(each / 4)));
    code.forEach((value, band) => {
      const tall = Math.max(1.5 * scale, Math.min(1, Math.max(0, value)) * height);
      const [red, green, blue] = COLOURS[Math.round(110 + 120 * Math.min(1, Math.max(0, value)))];
      brush.fillStyle = `rgb(${red} ${green} ${blue})`;
      brush.fillRect(band * each, height - tall, thick, tall);
    });
  }

  clear() {
    for (const canvas of [this.spectrum, this.code]) {
      canvas?.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    }
  }
}
