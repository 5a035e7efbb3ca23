// From the sound device's rate to the run's: a windowed sinc, as exact as a file's conversion.

const CROSSINGS = 24; // of the kernel to each side
const STEPS = 512; // of the kernel's table, from one crossing to the next; between them a line
const BETA = 8; // of the Kaiser window: what is left out is 80 dB down
const PASS = 0.93; // of the lower of both rates: above half of that, sound fades out

function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; k < 40; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const TABLE = Float32Array.from({ length: CROSSINGS * STEPS + 2 }, (_, place) => {
  const x = place / STEPS;
  if (x >= CROSSINGS) return 0;
  const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
  return (sinc * bessel(BETA * Math.sqrt(1 - (x / CROSSINGS) ** 2))) / bessel(BETA);
});

export class Resampler {
  constructor(from, to) {
    Object.assign(this, { step: from / to, isPlain: from === to });
    this.scale = PASS * Math.min(1, to / from);
    this.reach = this.isPlain ? 0 : Math.ceil(CROSSINGS / this.scale);
    this.ring = new Float32Array(1 << Math.ceil(Math.log2(4 * this.reach + 16_384)));
    Object.assign(this, { came: 0, made: 0 }); // samples in, samples out
  }

  /** Hand over the next samples; `out(sample)` is called for each that they complete. */
  take(samples, out) {
    const mask = this.ring.length - 1;
    for (const sample of samples) {
      this.ring[this.came & mask] = sample;
      this.came += 1;
      while (Math.floor(this.made * this.step) + this.reach < this.came) {
        out(this.isPlain ? sample : this.at(this.made * this.step, mask));
        this.made += 1;
      }
    }
  }

  at(position, mask) {
    const { ring, scale, reach } = this;
    const first = Math.max(0, Math.ceil(position - reach));
    const last = Math.min(this.came - 1, Math.floor(position + reach));
    let sum = 0;
    for (let i = first; i <= last; i += 1) {
      const x = Math.abs(i - position) * scale * STEPS;
      const place = Math.floor(x);
      if (place >= CROSSINGS * STEPS) continue;
      const weight = TABLE[place] + (TABLE[place + 1] - TABLE[place]) * (x - place);
      sum += weight * ring[i & mask];
    }
    return sum * scale;
  }
}
