// Light, dark, or as the system is: a choice of this browser.

export type Theme = "system" | "light" | "dark";

const key = "berth-theme";

export function theme(): Theme {
  try {
    const t = localStorage.getItem(key);
    return t === "light" || t === "dark" ? t : "system";
  } catch {
    return "system"; // storage may be forbidden
  }
}

export function setTheme(t: Theme): void {
  try {
    if (t === "system") localStorage.removeItem(key);
    else localStorage.setItem(key, t);
  } catch {
    // it then holds for this page alone
  }
  showTheme(t);
}

export function showTheme(t: Theme = theme()): void {
  document.documentElement.style.colorScheme = t === "system" ? "light dark" : t;
}
