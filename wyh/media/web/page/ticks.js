// Which frame tick belongs to a sample, exactly as `StreamSpec.frame_tick_at` has it.

/** The first sample of a tick; half goes to even, as in Python's `round`. */
export function tickStart(tick, sampleRate, [numerator, denominator]) {
  const twice = 2 * tick * sampleRate * denominator;
  const whole = Math.floor(twice / (2 * numerator));
  const rest = twice - 2 * numerator * whole;
  const up = rest > numerator || (rest === numerator && whole % 2 === 1);
  return whole + (up ? 1 : 0);
}

/** The newest tick that starts at or before a sample. */
export function frameTickAt(sample, sampleRate, rate) {
  const tick = Math.floor((sample * rate[0]) / (sampleRate * rate[1])) + 1;
  return tickStart(tick, sampleRate, rate) > sample ? tick - 1 : tick;
}
