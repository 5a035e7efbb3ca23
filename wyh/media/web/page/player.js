// The sound as the device takes it: a jitter buffer that asks for more by the device's own clock.

const FADE = 256; // samples of a bridge over sound that came too late

class Player extends AudioWorkletProcessor {
  constructor({ processorOptions: { block, channels, target } }) {
    super();
    Object.assign(this, { block, channels, target });
    this.size = 1 << 17;
    this.ring = Array.from({ length: channels }, () => new Float32Array(this.size));
    this.past = Array.from({ length: channels }, () => new Float32Array(FADE));
    this.rise = Float32Array.from({ length: FADE }, (_, i) => 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / FADE));
    this.underruns = 0;
    this.reset(0);
    this.port.onmessage = ({ data }) => this.take(data);
  }

  reset(epoch) {
    Object.assign(this, { epoch, active: false, asked: 0, received: 0, played: 0 });
    Object.assign(this, { bridge: this.flowing ? 0 : FADE, flowing: false, risen: FADE });
  }

  take({ epoch, active, target, sound }) {
    if (epoch !== undefined && sound === undefined) this.reset(epoch);
    if (active !== undefined) this.active = active;
    if (target !== undefined) this.target = target;
    if (sound === undefined || epoch !== this.epoch) return;
    const count = sound.length / this.channels;
    for (let i = 0; i < count; i += 1) {
      const at = (this.received + i) % this.size;
      for (let c = 0; c < this.channels; c += 1) this.ring[c][at] = sound[i * this.channels + c];
    }
    this.received += count;
  }

  process(_, [output]) {
    const count = output[0].length;
    const fill = this.received - this.played;
    // Below the target, or it would never be reached.
    if (!this.flowing && this.active && fill >= Math.max(count, 0.7 * this.target)) {
      this.flowing = true;
      this.risen = this.played ? 0 : FADE; // the stream itself begins in silence
    }
    const there = this.flowing ? Math.min(count, fill) : 0;
    this.copy(output, there);
    if (there < count) {
      if (this.flowing) {
        this.flowing = false;
        this.bridge = 0;
        this.underruns += this.active ? 1 : 0;
      }
      this.cross(output, there, count);
    }
    this.remember(output, count);
    this.played += there;
    this.ask();
    return true;
  }

  copy(output, count) {
    for (let c = 0; c < this.channels; c += 1) {
      for (let i = 0; i < count; i += 1) output[c][i] = this.ring[c][(this.played + i) % this.size];
      for (let i = 0; i < count && this.risen + i < FADE; i += 1) output[c][i] *= this.rise[this.risen + i];
    }
    this.risen = Math.min(FADE, this.risen + count);
  }

  /** Fill a gap with the sound before it turned round, which goes on where it was, fading. */
  cross(output, from, to) {
    if (this.bridge === 0) this.held = this.past.map((past) => this.joined(past, output, from));
    for (let c = 0; c < this.channels; c += 1) {
      for (let i = from; i < to; i += 1) {
        const at = this.bridge + i - from;
        output[c][i] = at < FADE ? this.held[c][at] : 0;
      }
    }
    this.bridge = Math.min(FADE, this.bridge + to - from);
  }

  joined(past, output, count) {
    const newest = output[this.past.indexOf(past)].subarray(0, count);
    const whole = Float32Array.from([...past, ...newest]).slice(-FADE).reverse();
    return whole.map((value, i) => value * this.rise[FADE - 1 - i]);
  }

  remember(output, count) {
    this.past.forEach((past, c) => {
      past.copyWithin(0, count);
      past.set(output[c].subarray(0, count), FADE - count);
    });
  }

  ask() {
    if (!this.active) return;
    const blocks = Math.floor((this.target - (this.asked - this.played)) / this.block);
    if (blocks < 1) return;
    const { epoch, played, underruns, asked: position } = this;
    this.asked += blocks * this.block;
    const fill = this.received - played;
    this.port.postMessage({ epoch, blocks, position, fill, played, underruns });
  }
}

registerProcessor("wyh-player", Player);
