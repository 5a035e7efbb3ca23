// The sound as the model takes it: mono, at the run's rate, in whole blocks.

import { Resampler } from "./resample.js";

class Listener extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate, block, together } }) {
    super();
    Object.assign(this, { rate, block, together });
    this.resampler = new Resampler(sampleRate, rate);
    this.mono = new Float32Array(128);
    this.active = false;
    this.port.onmessage = ({ data }) => this.begin(data);
  }

  /** Begin a new stream, or end it. */
  begin({ epoch, active }) {
    Object.assign(this, { epoch, active, blocks: 0, began: null });
    this.resampler = new Resampler(sampleRate, this.rate);
    this.next();
  }

  next() {
    Object.assign(this, { sound: new Float32Array(this.together * this.block), filled: 0 });
  }

  process([input]) {
    if (!this.active) return true;
    this.began ??= currentFrame;
    this.mix(input);
    this.resampler.take(this.mono, (sample) => {
      this.sound[this.filled] = sample;
      this.filled += 1;
      if (this.filled === this.sound.length) this.tell();
    });
    return true;
  }

  /** The mean of all channels; silence, where nothing is connected or plays. */
  mix(input) {
    this.mono.fill(0);
    for (const channel of input) {
      for (let i = 0; i < channel.length; i += 1) this.mono[i] += channel[i] / input.length;
    }
  }

  tell() {
    const { epoch, blocks: first, sound, together } = this;
    this.blocks += together;
    // Sample 0 of the stream is of this moment of the context's clock.
    this.port.postMessage({ epoch, first, sound, beganSecs: this.began / sampleRate }, [sound.buffer]);
    this.next();
  }
}

registerProcessor("wyh-listener", Listener);
