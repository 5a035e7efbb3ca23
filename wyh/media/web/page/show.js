// The pictures on their way to the screen: each waits for its moment, and the newest is shown.

import { Pictures } from "./draw.js";

const MOST_WAITING = 64;

export class Show {
  constructor(canvas) {
    Object.assign(this, { canvas, waiting: [], shown: -1, leftOut: 0 });
  }

  /** Begin anew with pictures of this size. */
  begin({ width, height }) {
    this.clear();
    this.pictures = new Pictures({ width, height });
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
  }

  clear() {
    for (const { image } of this.waiting) image?.close();
    Object.assign(this, { waiting: [], shown: -1, came: -1, leftOut: 0, turn: (this.turn ?? 0) + 1 });
  }

  /** A picture came: keep it for its moment. */
  async take({ number, bytes, isJpeg }) {
    if (this.came >= 0) this.leftOut += number - this.came - 1;
    this.came = number;
    const { turn } = this;
    const image = isJpeg ? await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })) : null;
    if (turn !== this.turn || number <= this.shown) {
      image?.close();
      return;
    }
    this.waiting.push({ number, bytes, image });
    this.waiting.sort((a, b) => a.number - b.number); // a small one is quicker to unpack
    if (this.waiting.length > MOST_WAITING) this.waiting.shift().image?.close();
  }

  /** Show the newest whose moment has come, `isDue(number)`: its number, or -1. */
  draw(isDue) {
    let chosen = null;
    while (this.waiting.length && isDue(this.waiting[0].number)) {
      chosen?.image?.close();
      chosen = this.waiting.shift();
    }
    if (!chosen) return -1;
    const { number, bytes, image } = chosen;
    if (image) {
      this.canvas.getContext("2d").drawImage(image, 0, 0);
      image.close();
    } else {
      this.pictures.show(this.canvas, bytes);
    }
    this.shown = number;
    return number;
  }
}
