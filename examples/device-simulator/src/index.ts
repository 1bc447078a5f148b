export * from "./device-ledger.ts";
export * from "./farm-plan.ts";
export * from "./faults.ts";
export * from "./noise-picture.ts";
export * from "./offline-buffer.ts";
export * from "./simulated-farm.ts";
