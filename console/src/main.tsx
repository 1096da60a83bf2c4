import { render } from "preact";
import { App } from "./app.tsx";
import { takeLinks } from "./router.ts";
import { showTheme } from "./theme.ts";

showTheme();
takeLinks();
render(<App />, document.getElementById("app")!);
