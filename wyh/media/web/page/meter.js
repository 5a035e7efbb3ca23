// What the page measures: shown here, and told to the server.

const KEPT = 2000; // durations that percentiles are of: a minute and more
const TOLD = 150; // of a stage in one report
const STAGES = ["grab", "wait", "ring", "device", "total", "offset"];

function percentile(values, percent) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
}

export class Meter {
  constructor() {
    this.trips = [];
    this.offsets = [];
    this.clear();
  }

  clear() {
    this.stages = Object.fromEntries(STAGES.map((name) => [name, []]));
  }

  trip(ms) {
    if (Number.isFinite(ms)) this.keep(this.trips, ms);
  }

  add(stage, ms) {
    if (!Number.isFinite(ms) || ms < 0) return;
    if (this.stages[stage].length < TOLD) this.stages[stage].push(ms);
    if (stage === "offset") this.keep(this.offsets, ms);
  }

  keep(values, ms) {
    values.push(ms);
    if (values.length > KEPT) values.splice(0, KEPT / 4);
  }

  /** All since the last call, for the server. */
  told() {
    const stages = this.stages;
    this.clear();
    return stages;
  }

  get figures() {
    return {
      latency: percentile(this.offsets.slice(-120), 50),
      trip50: percentile(this.trips, 50),
      trip95: percentile(this.trips, 95),
    };
  }
}
