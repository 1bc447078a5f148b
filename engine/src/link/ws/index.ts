export * from "./serve-children.ts";
export * from "./ws-link.ts";
