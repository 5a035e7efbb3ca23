// The sound device: an AudioContext at the run's own rate, the jitter buffer, an analyser.

const TARGET_SECS = 0.1; // of sound kept ahead
const MOST_SECS = 0.4; // as far as underruns may make it grow
const MORE_SECS = 0.02;
const CALM_SECS = 20; // without an underrun: then a little less will do
const LEAST_BLOCKS = 3;

export class Sound {
  /** Open the device; must follow a click. `asks({blocks, position, fill, played})` is called as
   * the sound runs down. */
  static async open(hello, asks) {
    const context = new AudioContext({ sampleRate: hello.sample_rate, latencyHint: "interactive" });
    await context.audioWorklet.addModule("player.js");
    if (context.state === "suspended") await context.resume();
    return new Sound(context, hello, asks);
  }

  constructor(context, { block, audio_channels: channels, sample_rate: rate }, asks) {
    Object.assign(this, { context, rate, channels, epoch: 0, underruns: 0, fill: 0 });
    this.target = this.begun = Math.max(LEAST_BLOCKS * block, Math.round(TARGET_SECS * rate));
    this.changed = 0;
    this.node = new AudioWorkletNode(context, "wyh-player", {
      numberOfInputs: 0,
      outputChannelCount: [channels],
      processorOptions: { block, channels, target: this.target },
    });
    this.node.port.onmessage = ({ data }) => {
      if (data.epoch !== this.epoch) return;
      this.fill = data.fill;
      if (data.underruns > this.underruns) this.keep(MORE_SECS);
      else if (context.currentTime - this.changed > CALM_SECS) this.keep(-MORE_SECS / 2);
      this.underruns = data.underruns;
      asks(data);
    };
    this.volume = context.createGain();
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 2048;
    this.analyser.smoothingTimeConstant = 0.55;
    this.analyser.minDecibels = -100;
    this.analyser.maxDecibels = -20;
    this.node.connect(this.volume).connect(this.analyser).connect(context.destination);
  }

  /** Keep more sound ahead, or less, within bounds. */
  keep(secs) {
    const target = Math.round(Math.min(MOST_SECS * this.rate, this.target + secs * this.rate));
    this.changed = this.context.currentTime;
    this.target = Math.max(this.begun, target);
    this.node.port.postMessage({ target: this.target });
  }

  get bufferMs() {
    return (1000 * this.target) / this.rate;
  }

  /** From the moment the device takes a sample until it is heard, where the browser knows. */
  get deviceMs() {
    return 1000 * (this.context.outputLatency || this.context.baseLatency || 0);
  }

  /** Begin a new stream of sound: nothing of the old one is played. */
  begin() {
    this.epoch += 1;
    this.node.port.postMessage({ epoch: this.epoch });
    this.node.port.postMessage({ active: true });
  }

  end() {
    this.node.port.postMessage({ active: false });
  }

  take(samples) {
    this.node.port.postMessage({ epoch: this.epoch, sound: samples });
  }

  mute(isMuted) {
    this.volume.gain.setTargetAtTime(isMuted ? 0 : 1, this.context.currentTime, 0.01);
  }

  async close() {
    this.end();
    this.epoch += 1;
    await this.context.close();
  }
}
