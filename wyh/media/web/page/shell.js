// What every page has: its state in words, one line of trouble, a screen that stays on.

export const at = (id) => document.getElementById(id);

export function state(name, words) {
  document.body.dataset.state = name;
  if (at("status").textContent !== words) at("status").textContent = words;
}

/** One line that the player should read; "" for none. */
export function trouble(line) {
  if (at("trouble").textContent !== line) at("trouble").textContent = line;
  at("trouble").hidden = !line;
}

export function pressed(id, isPressed) {
  at(id).setAttribute("aria-pressed", String(Boolean(isPressed)));
}

/** A duration for people; – where there is none. */
export function ms(value) {
  if (value === null) return "–";
  return `${Math.abs(value) < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

let lock = null;

/** Keep the screen on. The system takes this back when the page is hidden: then ask again. */
export async function awake() {
  lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
}

export async function dozing() {
  await lock?.release().catch(() => null);
  lock = null;
}
