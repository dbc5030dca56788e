// Lets the search work in pages that are opened from a folder. Browsers start no worker there, so
// this one runs its script in a hidden frame, which has the origin of the page.
"use strict";

if (location.protocol === "file:") {
  class IFrameWorker extends EventTarget {
    #ready;

    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html>";
      this.#ready = new Promise((resolve) => {
        frame.onload = () => {
          const inside = frame.contentWindow;
          const load = (source) =>
            new Promise((loaded, failed) => {
              const script = inside.document.createElement("script");
              Object.assign(script, { src: source, onload: loaded, onerror: failed });
              inside.document.head.append(script);
            });
          inside.importScripts = async (...sources) => {
            for (const source of sources) await load(source);
          };
          inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          load(new URL(url, location).href).then(() => resolve(inside));
        };
      });
      document.body.append(frame);
    }

    async postMessage(data) {
      const inside = await this.#ready;
      inside.dispatchEvent(new inside.MessageEvent("message", { data }));
    }
  }
  window.IFrameWorker = IFrameWorker; // its script looks for this name to find more scripts
  window.Worker = IFrameWorker;
}
