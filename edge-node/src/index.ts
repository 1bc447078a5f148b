export type { EdgeConfig } from "./settings/edge-settings.ts";
export { edgeSettings } from "./settings/edge-settings.ts";
export { edgeConfigOf, loadEdgeConfig } from "./settings/load-edge-config.ts";
export type { EdgeLog } from "./daemon/edge-log.ts";
export type { EdgeStatus, Readiness } from "./daemon/edge-status.ts";
export type { Enrolment, EnrolRequest } from "./daemon/enrolment.ts";
export { enrol, readEnrolment } from "./daemon/enrolment.ts";
export type { Edge, EdgePorts } from "./daemon/start-edge.ts";
export { startEdge } from "./daemon/start-edge.ts";
