// The knobs, built from the server's table: sliders, switches and choices with names and help.

const NAMES = { gain_db: "volume", negative: "negative picture", black: "silent black", still: "fading stillness", width: "stereo width", auto_gain: "automatic gain" };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function shown(knob, value) {
  const text = knob.unit === "dB" ? value.toFixed(1) : value.toFixed(2);
  return knob.unit ? `${text} ${knob.unit}` : text;
}

/** A hundredth of a range, as 1, 2 or 5 of some decimal: defaults lie on such a step. */
function aboutHundredth(range) {
  const power = 10 ** Math.floor(Math.log10(range / 100) + 1e-9);
  return [1, 2, 5, 10].find((few) => few * power >= range / 100 - 1e-9) * power;
}

export class Knobs {
  /** `turned(name, value)` is called when the player turns one. */
  constructor(place, turned) {
    Object.assign(this, { place, turned, values: new Map(), table: [] });
  }

  /** Show a table; values that the player has turned before stay, and are told again. */
  build(table, apart) {
    Object.assign(this, { table, apart });
    const kept = this.values;
    this.values = new Map(table.map(({ name, value }) => [name, kept.get(name) ?? value]));
    this.place.replaceChildren(...table.filter(({ name }) => !apart.includes(name)).map((knob) => this.row(knob)));
    for (const { name, value } of table) if (this.values.get(name) !== value) this.turned(name, this.values.get(name));
  }

  turn(name, value) {
    if (this.values.get(name) === value) return;
    this.values.set(name, value);
    this.turned(name, value);
  }

  row(knob) {
    const id = `knob-${knob.name}`;
    const help = element("p", { id: `${id}-help`, class: "help" }, knob.help);
    const label = element("label", { for: id }, NAMES[knob.name] ?? knob.name.replaceAll("_", " "));
    const [control, value] = knob.choices.length ? this.choice(knob, id) : this.slider(knob, id);
    control.setAttribute("aria-describedby", help.id);
    const head = element("div", { class: "head" }, label, ...(value ? [value] : []));
    return element("div", { class: "knob" }, head, control, help);
  }

  choice(knob, id) {
    const options = knob.choices.map((name, place) => element("option", { value: place }, name[0].toUpperCase() + name.slice(1)));
    const select = element("select", { id }, ...options);
    select.value = String(this.values.get(knob.name));
    select.onchange = () => this.turn(knob.name, Number(select.value));
    return [select, null];
  }

  slider(knob, id) {
    const step = knob.unit === "dB" ? 0.5 : aboutHundredth(knob.high - knob.low);
    const slider = element("input", { id, type: "range", min: knob.low, max: knob.high, step });
    // For the eye: screen readers are told by the slider itself.
    const value = element("span", { class: "value", "aria-hidden": "true" });
    const show = () => {
      const now = Number(slider.value);
      value.textContent = shown(knob, now);
      slider.setAttribute("aria-valuetext", shown(knob, now));
      slider.style.setProperty("--along", `${(100 * (now - knob.low)) / (knob.high - knob.low)}%`);
    };
    const set = (to) => {
      slider.value = String(to);
      show();
      this.turn(knob.name, Number(slider.value));
    };
    slider.value = String(this.values.get(knob.name));
    show();
    slider.oninput = () => set(slider.value);
    slider.ondblclick = () => set(knob.default);
    slider.title = `Double-click for ${shown(knob, knob.default)}`;
    return [slider, value];
  }

  /** Everything as the run has it, but for what has a button of its own. */
  restore() {
    for (const { name, default: value } of this.table) {
      if (!this.apart.includes(name)) this.turn(name, value);
    }
    this.build(this.table, this.apart);
  }
}
