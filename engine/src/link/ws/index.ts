export * from "./remote-address.ts";
export * from "./serve-children.ts";
export * from "./ws-link.ts";
