export * from "./browser-link.ts";
