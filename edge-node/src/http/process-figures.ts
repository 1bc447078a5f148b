import { Registry, collectDefaultMetrics } from "prom-client";

let registry: Registry | null = null;

/**
 * The figures of this process: memory, CPU, garbage collection, delay of the event loop. They are collected once, however many
 * daemons it starts one after the other: each collecting leaves a monitor of the event loop behind that nothing ends.
 */
export function processFigures(): Registry {
  if (registry === null) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry;
}
