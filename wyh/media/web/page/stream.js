// The conversation with the server: see `wyh/media/web/messages.py` for what is said.

const FRAME = 1;
const PULL = 2;
const SEEN = 3;
const SOUND = 4;
const HAS_CODE = 1;
const HAS_KNOWN = 2;
const HAS_PICTURE = 4;
export const HEAD = 12;
const BACK_OFF_MS = [500, 8000];
const SHUT_OUT = 1008;

export function head(kind, { flags = 0, count = 0, number = 0, extra = 0, payload = 0 }) {
  const buffer = new ArrayBuffer(HEAD + payload);
  const view = new DataView(buffer);
  view.setUint8(0, kind);
  view.setUint8(1, flags);
  view.setUint16(2, count, true);
  view.setUint32(4, number, true);
  view.setUint32(8, extra, true);
  return buffer;
}

/** A WebSocket that comes back by itself. `on` is `{hello, seen, sound, note, gone, refused}`. */
export class Stream {
  constructor(on) {
    this.on = on;
    this.pause = BACK_OFF_MS[0];
    this.hello = null;
    this.sent = new Map(); // frame tick -> when it went
    window.addEventListener("online", () => this.connect());
  }

  get address() {
    const address = new URL("/stream", window.location.href);
    address.searchParams.set("token", window.location.hash.slice(1));
    return address;
  }

  connect() {
    clearTimeout(this.timer);
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) return;
    const address = this.address;
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.take(data); // one that was left may still say something
    };
    socket.onclose = ({ code, reason }) => this.lost(socket, code, reason);
    this.socket = socket;
  }

  /** Begin anew: the server then makes a stream of its own for it. */
  restart() {
    const { socket } = this;
    this.socket = null;
    this.hello = null;
    this.sent.clear();
    socket?.close();
    this.connect();
  }

  async lost(socket, code, reason) {
    if (socket !== this.socket) return;
    const wasIn = this.hello !== null;
    this.hello = null;
    this.sent.clear();
    let why = reason;
    if (!wasIn && !reason) {
      try {
        const answer = await fetch(this.address, {
          cache: "no-store",
          signal: AbortSignal.timeout(5000),
        });
        if (socket !== this.socket) return; // another one was opened meanwhile
        if (answer.status === 403) {
          this.on.refused((await answer.text()).trim());
          return;
        }
      } catch {
        why = "";
      }
    }
    if (socket !== this.socket) return;
    if (code === SHUT_OUT) this.pause = BACK_OFF_MS[1];
    this.on.gone(why, this.pause);
    this.timer = setTimeout(() => this.connect(), this.pause);
    this.pause = Math.min(2 * this.pause, BACK_OFF_MS[1]);
  }

  take(data) {
    if (typeof data === "string") {
      const said = JSON.parse(data);
      if (said.kind === "hello") {
        if (said.direction !== document.body.dataset.direction) {
          window.location.reload(); // another run plays there now, which has another page
          return;
        }
        this.hello = said;
        this.pause = BACK_OFF_MS[0];
      }
      this.on[said.kind]?.(said);
      return;
    }
    const view = new DataView(data);
    const kind = view.getUint8(0);
    const number = view.getUint32(4, true);
    this.takeBytes(data, view, kind, number);
  }

  takeBytes(data, view, kind, number) {
    if (kind === SOUND) this.on.sound(new Float32Array(data, HEAD), number);
    if (kind === SEEN) this.takeSeen(data, view, number);
  }

  takeSeen(data, view, tick) {
    const { width, height, channels } = this.hello;
    const flags = view.getUint8(1);
    const bands = view.getUint16(2, true);
    let at = HEAD;
    const next = (kind, length) => {
      const part = new kind(data, at, length);
      at += part.byteLength;
      return part;
    };
    const code = flags & HAS_CODE ? next(Float32Array, bands) : null;
    const known = flags & HAS_KNOWN ? next(Uint8Array, 3 * width * height) : null;
    const picture = flags & HAS_PICTURE ? next(Uint8Array, channels * width * height) : null;
    const roundTripMs = performance.now() - this.sent.get(tick);
    for (const earlier of this.sent.keys()) if (earlier <= tick) this.sent.delete(earlier);
    this.on.seen({ tick, code, known, picture, roundTripMs, waitedMs: view.getUint32(8, true) / 1000 });
  }

  /** Whether what was sent still waits to go: then a picture had better be left out. */
  get isBehind() {
    return !this.hello || this.socket.bufferedAmount > 2 * this.hello.width * this.hello.height;
  }

  frame(tick, pixels) {
    const message = head(FRAME, { number: tick, payload: pixels ? pixels.length : 0 });
    if (pixels) new Uint8Array(message, HEAD).set(pixels);
    this.sent.set(tick, performance.now());
    this.send(message);
  }

  pull(blocks, fill) {
    this.send(head(PULL, { count: blocks, extra: fill }));
  }

  turn(name, value) {
    this.send(JSON.stringify({ kind: "turn", name, value }));
  }

  report(underruns, stages) {
    this.send(JSON.stringify({ kind: "report", underruns, stages_ms: stages }));
  }

  send(message) {
    if (this.hello && this.socket.readyState === WebSocket.OPEN) this.socket.send(message);
  }
}
