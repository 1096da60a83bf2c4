import { render } from "preact";
import { App } from "./app.tsx";
import { takeLinks } from "./router.ts";
import { shareSession } from "./session.ts";
import { showTheme } from "./theme.ts";

showTheme();
takeLinks();
shareSession();
render(<App />, document.getElementById("app")!);
