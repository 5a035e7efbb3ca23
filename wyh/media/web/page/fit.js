// How a picture of any shape becomes the model's: cut, pad or stretch, with an area filter.
//
// The canvas halves the picture while it is much larger than wanted: by exactly two, its bilinear
// filter is the mean of four pixels. The rest is an area filter here, as in ffmpeg.

/** Part of the source, and size of it in the model's picture: `{x, y, w, h}`, `{w, h}`. */
export function placed(fit, width, height, toWidth, toHeight) {
  const whole = { x: 0, y: 0, w: width, h: height };
  if (fit === "crop") {
    const w = Math.max(1, Math.min(width, Math.round((height * toWidth) / toHeight)));
    const h = Math.max(1, Math.min(height, Math.round((width * toHeight) / toWidth)));
    const part = { x: Math.floor((width - w) / 2), y: Math.floor((height - h) / 2), w, h };
    return [part, { w: toWidth, h: toHeight }];
  }
  if (fit === "pad") {
    const shape = width / height;
    const w = Math.max(1, Math.min(toWidth, Math.round(toHeight * shape)));
    const h = Math.max(1, Math.min(toHeight, Math.round(toWidth / shape)));
    return [whole, { w, h }];
  }
  return [whole, { w: toWidth, h: toHeight }];
}

/** For each new pixel along an axis: the first old one, and how much of each counts. */
export function areaWeights(from, to) {
  const step = from / to;
  return Array.from({ length: to }, (_, place) => {
    const low = place * step;
    const high = Math.min(from, low + step);
    const first = Math.floor(low + 1e-9);
    const last = Math.max(first + 1, Math.ceil(high - 1e-9));
    const weights = [];
    for (let old = first; old < last; old += 1) {
      weights.push((Math.min(high, old + 1) - Math.max(low, old)) / step);
    }
    return { first, weights };
  });
}

/** Scale RGBA pixels by area; the result has three numbers a pixel, 0 to 255. */
export function areaScale(rgba, width, columns, rows) {
  const across = columns.length;
  const out = new Float32Array(3 * across * rows.length);
  const line = new Float32Array(3 * width);
  rows.forEach(({ first, weights }, y) => {
    line.fill(0);
    weights.forEach((weight, below) => {
      let at = 4 * width * (first + below);
      for (let x = 0; x < line.length; x += 3, at += 4) {
        line[x] += weight * rgba[at];
        line[x + 1] += weight * rgba[at + 1];
        line[x + 2] += weight * rgba[at + 2];
      }
    });
    for (let x = 0; x < across; x += 1) {
      const { first: left, weights: shares } = columns[x];
      const to = 3 * (y * across + x);
      for (let i = 0; i < shares.length; i += 1) {
        const at = 3 * (left + i);
        out[to] += shares[i] * line[at];
        out[to + 1] += shares[i] * line[at + 1];
        out[to + 2] += shares[i] * line[at + 2];
      }
    }
  });
  return out;
}

/** Turns pictures into the model's: bytes in rows, one or three a pixel. */
export class Fitter {
  constructor({ width, height, channels, fit }) {
    Object.assign(this, { width, height, channels, fit });
    this.steps = [];
    this.shape = "";
  }

  /** The model's picture of a video or canvas of this size. */
  take(source, width, height) {
    if (this.shape !== `${width}x${height}`) this.prepare(width, height);
    const { x, y, w, h } = this.part;
    let [from, box] = [source, [x, y, w, h]];
    for (const step of this.steps) {
      const { width: toWidth, height: toHeight } = step.canvas;
      step.drawImage(from, ...box, 0, 0, toWidth, toHeight);
      [from, box] = [step.canvas, [0, 0, toWidth, toHeight]];
    }
    const last = this.steps.at(-1);
    const pixels = last.getImageData(0, 0, last.canvas.width, last.canvas.height).data;
    return this.pack(areaScale(pixels, last.canvas.width, this.columns, this.rows));
  }

  prepare(width, height) {
    this.shape = `${width}x${height}`;
    const [part, size] = placed(this.fit, width, height, this.width, this.height);
    this.part = part;
    this.size = size;
    let [w, h] = [part.w, part.h];
    this.steps = [];
    do {
      if (w >= 4 * size.w && h >= 4 * size.h) [w, h] = [Math.round(w / 2), Math.round(h / 2)];
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [w, h];
      const step = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
      step.imageSmoothingQuality = "low"; // bilinear: at one half, a mean of four
      this.steps.push(step);
    } while (w >= 4 * size.w && h >= 4 * size.h);
    this.columns = areaWeights(w, size.w);
    this.rows = areaWeights(h, size.h);
  }

  pack(scaled) {
    const { width, height, channels, size } = this;
    const bytes = new Uint8Array(width * height * channels); // black, where it is padded
    const left = Math.floor((width - size.w) / 2);
    const top = Math.floor((height - size.h) / 2);
    for (let y = 0; y < size.h; y += 1) {
      for (let x = 0; x < size.w; x += 1) {
        const at = 3 * (y * size.w + x);
        const to = channels * ((y + top) * width + x + left);
        if (channels === 3) {
          for (let i = 0; i < 3; i += 1) bytes[to + i] = Math.round(scaled[at + i]);
        } else {
          const grey = 0.299 * scaled[at] + 0.587 * scaled[at + 1] + 0.114 * scaled[at + 2];
          bytes[to] = Math.round(grey);
        }
      }
    }
    return bytes;
  }
}
