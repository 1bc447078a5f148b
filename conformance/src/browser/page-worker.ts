import "@hayloft/engine/browser-worker";
