// A song that the player chose: played by the page itself, with the browser's own controls.

export class Song {
  /** `ended(why)` is called when it can be played no longer. */
  constructor(place, ended) {
    Object.assign(this, { place, ended, file: null, element: null });
  }

  /** The element of the chosen file, which does not play yet. */
  open() {
    this.close();
    const element = document.createElement("audio"); // a new one: each belongs to one context
    element.controls = true;
    element.setAttribute("aria-label", `The song ${this.file.name}`);
    element.src = this.address = URL.createObjectURL(this.file);
    this.element = element;
    this.place.replaceChildren(element);
    this.place.hidden = false;
    return element;
  }

  /** Play it. Throws an `Error` in plain words. */
  async play() {
    const { element, file } = this;
    const cannot = `${file.name} is no sound that this browser can play. Choose another file.`;
    try {
      await element.play();
    } catch {
      if (element === this.element) throw new Error(cannot);
    }
    element.onerror = () => this.ended(cannot);
  }

  close() {
    if (!this.element) return;
    this.element.onerror = null;
    this.element.pause();
    this.element.removeAttribute("src");
    this.place.replaceChildren();
    this.place.hidden = true;
    URL.revokeObjectURL(this.address);
    this.element = null;
  }
}
