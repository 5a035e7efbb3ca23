// What a page whose sound becomes pictures says: see `wyh/media/web/picture_messages.py`.

import { HEAD, Stream, head } from "./stream.js";

const HEARD = 5;
const PICTURE = 6;
const FROM_FILE = 1;
const JPEG = 1;
const MOST_WAITING_SECS = 0.5; // of sound that still waits to go: then blocks are left out

/** As `Stream`; `on` is `{hello, picture, note, gone, refused}`. `got` is how many pictures have
 * come, with those that were left out between them. */
export class PictureStream extends Stream {
  connect() {
    this.got = 0;
    super.connect();
  }

  takeBytes(data, view, kind, number) {
    if (kind !== PICTURE) return;
    this.got = number + 1;
    const bytes = new Uint8Array(data, HEAD);
    this.on.picture({ number, bytes, isJpeg: view.getUint8(1) === JPEG });
  }

  get isBehind() {
    return !this.hello || this.socket.bufferedAmount > MOST_WAITING_SECS * 4 * this.hello.sample_rate;
  }

  /** Send blocks from number `first` on. */
  hear(first, samples, isFile) {
    const count = samples.length / this.hello.block;
    const flags = isFile ? FROM_FILE : 0;
    const message = head(HEARD, { flags, count, number: first, extra: this.got, payload: 4 * samples.length });
    new Float32Array(message, HEAD).set(samples);
    this.send(message);
  }
}
