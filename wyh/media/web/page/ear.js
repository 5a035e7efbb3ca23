// What is heard: a microphone or a song, on its way to the model, to the eye and to the ear.

const DELAY_SECS = 0.3; // by which a song is heard later than it was sent: pictures come meanwhile
const MOST_DELAY_SECS = 1.5;
const MORE_SECS = 0.1;
const LEAST = 1e-5; // of a microphone that is on: it never is as quiet as this
const TOGETHER_SECS = 0.01; // of sound in one message, at least a block

export class Ear {
  /** Open the sound device; must follow a click. `heard({first, sound})` is called with blocks. */
  static async open(hello, heard) {
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await context.audioWorklet.addModule("listener.js");
      if (context.state === "suspended") await context.resume();
    } catch (error) {
      await context.close();
      throw new Error(`The sound cannot be listened to: ${error.message}`);
    }
    return new Ear(context, hello, heard);
  }

  constructor(context, { block, sample_rate: rate }, heard) {
    Object.assign(this, { context, rate, block, epoch: 0, beganSecs: null, delaySecs: 0 });
    this.node = new AudioWorkletNode(context, "wyh-listener", {
      processorOptions: { rate, block, together: Math.max(1, Math.round((TOGETHER_SECS * rate) / block)) },
    });
    this.node.port.onmessage = ({ data }) => {
      if (data.epoch !== this.epoch) return;
      this.beganSecs = data.beganSecs;
      heard(data);
    };
    this.delay = context.createDelay(MOST_DELAY_SECS + 1);
    this.volume = context.createGain();
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 2048;
    this.analyser.smoothingTimeConstant = 0.55;
    this.analyser.minDecibels = -100;
    this.analyser.maxDecibels = -20;
    // The worklet's own output is silence: it is there to keep the worklet at work.
    this.node.connect(context.destination);
    this.delay.connect(this.analyser).connect(this.volume).connect(context.destination);
  }

  /** Listen to a microphone, which nobody hears, or it would howl. */
  take(media) {
    this.join(this.context.createMediaStreamSource(media), 0);
  }

  /** Listen to a song, which is heard late enough for its pictures. */
  play(element) {
    // An element can be joined to one context in its life.
    this.join(this.context.createMediaElementSource(element), DELAY_SECS);
  }

  join(source, delaySecs) {
    this.source?.disconnect();
    this.source = source;
    this.delaySecs = delaySecs;
    this.delay.delayTime.value = delaySecs;
    this.volume.gain.value = 0;
    source.connect(this.node);
    source.connect(this.delay);
  }

  /** Wait longer for pictures: they come too late. Whether it could be done. */
  wait() {
    if (!this.delaySecs || this.delaySecs + MORE_SECS > MOST_DELAY_SECS) return false;
    this.delaySecs += MORE_SECS;
    this.delay.delayTime.setTargetAtTime(this.delaySecs, this.context.currentTime, 0.05);
    return true;
  }

  /** How loud a song is heard; a microphone never is. */
  set loudness(gain) {
    const { volume, context, delaySecs } = this;
    volume.gain.setTargetAtTime(delaySecs ? gain : 0, context.currentTime, 0.01);
  }

  /** The moment, by the context's clock, of which a sample of the stream is heard. */
  secsOf(sample) {
    return this.beganSecs + sample / this.rate + this.delaySecs;
  }

  /** The moment that is heard now; for a microphone, the one that is taken in. */
  get nowSecs() {
    const { context } = this;
    if (!this.delaySecs) return context.currentTime;
    return context.currentTime - (context.outputLatency || context.baseLatency || 0);
  }

  /** For how long nothing at all has come in, asked now and then. */
  get silentSecs() {
    this.heard ??= new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(this.heard);
    const { currentTime } = this.context;
    if (this.sounded === undefined || this.heard.some((sample) => Math.abs(sample) > LEAST)) this.sounded = currentTime;
    return currentTime - this.sounded;
  }

  /** Begin a new stream. */
  begin() {
    this.epoch += 1;
    this.beganSecs = null;
    this.node.port.postMessage({ epoch: this.epoch, active: true });
  }

  end() {
    this.epoch += 1;
    this.node.port.postMessage({ epoch: this.epoch, active: false });
  }

  async close() {
    this.end();
    this.source?.disconnect();
    await this.context.close();
  }
}
