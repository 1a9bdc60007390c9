// SPDX-License-Identifier: Apache-2.0
// Follows a scan's status; when it is final the page is loaded again and shows the result.
"use strict";
const progress = document.getElementById("progress");
if (progress) {
  const source = new EventSource(progress.dataset.events);
  source.addEventListener("status", (event) => {
    const scan = JSON.parse(event.data);
    progress.querySelector("[data-status]").textContent = scan.status;
    const order = ["received", "measured", "scored", "explained"];
    for (const item of progress.querySelectorAll("[data-stage]")) {
      const reached = order.indexOf(item.dataset.stage) <= order.indexOf(scan.stage);
      item.classList.toggle("reached", reached);
    }
    if (scan.status === "completed" || scan.status === "failed") {
      source.close();
      window.location.reload();
    }
  });
}
