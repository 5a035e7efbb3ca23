// The page's own microphone, and plain words for what keeps it from being heard.

// What a telephone does to a voice would take the life out of the pictures.
const WISH = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const TROUBLE = {
  NotAllowedError: "The microphone was refused. Allow it in the address bar of the browser, then press Start again.",
  NotFoundError: "There is no microphone. Connect one, or choose a song, then press Start again.",
  NotReadableError: "The microphone is busy: another program has it. Close that one, then press Start again.",
  OverconstrainedError: "This microphone has gone. Choose another one, then press Start again.",
};

/** Why this page cannot have any microphone, or "". */
export function noMicrophone() {
  if (!window.isSecureContext) {
    return "Browsers give their microphone to secure pages alone. Open this page by its https:// address, or on the machine it runs on as http://127.0.0.1.";
  }
  return navigator.mediaDevices?.getUserMedia ? "" : "This browser has no way to a microphone. Choose a song, or try a newer one.";
}

export class Microphone {
  /** `ended()` is called when the microphone goes while it is in use. */
  constructor(ended) {
    Object.assign(this, { ended, turn: 0 });
  }

  /** Open that of this id, or the browser's own choice: its stream, or null where it was closed
   * meanwhile. Throws an `Error` in plain words. */
  async open(deviceId) {
    const why = noMicrophone();
    if (why) throw new Error(why);
    this.close();
    const { turn } = this;
    const which = deviceId ? { deviceId: { exact: deviceId } } : {};
    let media;
    try {
      media = await navigator.mediaDevices.getUserMedia({ audio: { ...WISH, ...which } });
    } catch (error) {
      if (turn !== this.turn) return null;
      throw new Error(TROUBLE[error.name] ?? `The microphone cannot be used: ${error.message}`);
    }
    if (turn !== this.turn) {
      media.getTracks().forEach((track) => track.stop());
      return null;
    }
    this.media = media;
    media.getAudioTracks()[0].onended = () => this.ended();
    return media;
  }

  /** All microphones: `[{id, name, isUsed}]`. Browsers tell their names once one is in use. */
  async list() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const used = this.media?.getAudioTracks()[0]?.getSettings().deviceId;
    return devices
      .filter(({ kind }) => kind === "audioinput")
      .map(({ deviceId: id, label }, place) => ({ id, name: label || `Microphone ${place + 1}`, isUsed: id === used }));
  }

  close() {
    this.turn += 1;
    this.media?.getTracks().forEach((track) => {
      track.onended = null;
      track.stop();
    });
    this.media = null;
  }
}
