/** The daemon's version, shown by `version`, logs and status. */
export const EDGE_VERSION = "0.1.0";
