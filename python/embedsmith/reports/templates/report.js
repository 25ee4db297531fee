"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const unfold = document.getElementById("unfold");
  const folds = Array.from(document.querySelectorAll("details"));
  const wanted = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : wanted.matches);
  const show = () => {
    theme.textContent = isDark() ? "Light colours" : "Dark colours";
    theme.setAttribute("aria-pressed", String(Boolean(root.dataset.theme)));
  };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  wanted.addEventListener("change", show);

  unfold.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-pressed") !== "true";
    folds.forEach((fold) => { fold.open = open; });
    unfold.setAttribute("aria-pressed", String(open));
    unfold.textContent = open ? "Close all details" : "Open all details";
  });

  // Paper cannot be clicked.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    closed.forEach((fold) => { fold.open = true; });
  });
  window.addEventListener("afterprint", () => {
    closed.forEach((fold) => { fold.open = false; });
  });

  show();
  document.getElementById("tools").hidden = false;
})();
