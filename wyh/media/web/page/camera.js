// The page's own camera, and plain words for what keeps it from being seen.

const WISH = { width: { ideal: 640 }, height: { ideal: 480 } };

const TROUBLE = {
  NotAllowedError: "The camera was refused. Allow it in the address bar of the browser, then press Start again.",
  NotFoundError: "There is no camera. Connect one, then press Start again.",
  NotReadableError: "The camera is busy: another program has it. Close that one, then press Start again.",
  OverconstrainedError: "This camera has gone. Choose another one, then press Start again.",
};

/** Why this page cannot have any camera, or "". */
export function noCamera() {
  if (!window.isSecureContext) {
    return "Browsers give their camera to secure pages alone. Open this page by its https:// address, or on the machine it runs on as http://127.0.0.1.";
  }
  return navigator.mediaDevices?.getUserMedia ? "" : "This browser has no way to a camera. Try a newer one.";
}

export class Camera {
  /** `ended()` is called when the camera goes while it is in use. */
  constructor(video, ended) {
    Object.assign(this, { video, ended, taken: null, turn: 0 });
  }

  /** Show the camera of this id, or the browser's own choice. Throws an `Error` in plain words. */
  async open(deviceId, frameRate) {
    const why = noCamera();
    if (why) throw new Error(why);
    this.close();
    const { turn } = this; // until it is closed, or another one is chosen
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: { ideal: "environment" } };
    const frames = { frameRate: { ideal: Math.max(30, Math.ceil(frameRate)) } };
    try {
      const media = await navigator.mediaDevices.getUserMedia({ video: { ...WISH, ...which, ...frames } });
      if (turn !== this.turn) {
        media.getTracks().forEach((track) => track.stop());
        return;
      }
      this.media = media;
      this.video.srcObject = media;
      await this.video.play();
    } catch (error) {
      if (turn !== this.turn) return;
      this.close();
      throw new Error(TROUBLE[error.name] ?? `The camera cannot be used: ${error.message}`);
    }
    if (turn !== this.turn) return;
    const [track] = this.media.getVideoTracks();
    track.onended = () => this.ended();
    this.follow();
  }

  /** Know when each picture was taken, and when it was here. */
  follow() {
    const media = this.media;
    const next = (now, { captureTime, presentationTime }) => {
      if (media !== this.media) return;
      const here = performance.now();
      this.taken = { here, since: Math.min(here, captureTime ?? presentationTime ?? here) };
      this.video.requestVideoFrameCallback(next);
    };
    this.video.requestVideoFrameCallback?.(next);
  }

  get isReady() {
    return Boolean(this.media) && this.video.readyState >= 2 && this.video.videoWidth > 0;
  }

  /** All cameras: `[{id, name, isUsed}]`. Browsers tell their names once one is in use. */
  async list() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const used = this.media?.getVideoTracks()[0]?.getSettings().deviceId;
    return devices
      .filter(({ kind }) => kind === "videoinput")
      .map(({ deviceId: id, label }, place) => ({ id, name: label || `Camera ${place + 1}`, isUsed: id === used }));
  }

  close() {
    this.turn += 1;
    this.media?.getTracks().forEach((track) => {
      track.onended = null;
      track.stop();
    });
    this.media = null;
    this.taken = null;
    this.video.srcObject = null;
  }
}
