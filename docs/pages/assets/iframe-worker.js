// Search in pages that are opened as files, where browsers start no worker: its script runs in a hidden frame instead.
// `IFrameWorker` in the page is how Material's search script knows that it is in such a frame.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      this.inside = new Promise((ready) => {
        window.__fromWorker = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
        frame.addEventListener("load", () => ready(frame.contentWindow))
      })
      frame.srcdoc = `<script>postMessage = (data) => parent.__fromWorker(data)</script><script src="${url}"></script>`
      document.body.append(frame)
    }
    postMessage(data) {
      this.inside.then((inside) => inside.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {}
  }
}
