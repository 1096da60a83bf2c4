// Forms, and the dialog that stands before what cannot be undone.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Refused } from "./api.ts";
import { session } from "./session.ts";
import { Problem, useAction, type Lead } from "./ui.tsx";

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
}

interface InputProps extends FieldProps {
  value: string;
  set: (value: string) => void;
  type?: "text" | "password" | "email" | "url";
  required?: boolean;
  maxLength?: number;
  minLength?: number;
  pattern?: string;
  title?: string;
  placeholder?: string;
  autoComplete?: string;
  autoFocus?: boolean;
}

export function Input({ label, hint, value, set, autoFocus, ...rest }: InputProps) {
  const more: object = rest; // the types of elements want to know which of all kinds it is
  const id = useId();
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (autoFocus) ref.current?.focus();
  }, []);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        ref={ref}
        value={value}
        onInput={(e) => set(e.currentTarget.value)}
        aria-describedby={hint ? id + "-hint" : undefined}
        autoCapitalize="none"
        spellcheck={false}
        {...more}
      />
      <Hint id={id} of={hint} />
    </div>
  );
}

function Hint({ id, of }: { id: string; of?: ComponentChildren }) {
  return of ? (
    <p class="hint" id={id + "-hint"}>
      {of}
    </p>
  ) : null;
}

export function Area({ label, hint, value, set, rows = 10 }: FieldProps & { value: string; set: (v: string) => void; rows?: number }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea id={id} rows={rows} spellcheck={false} value={value} onInput={(e) => set(e.currentTarget.value)} aria-describedby={hint ? id + "-hint" : undefined} />
      <Hint id={id} of={hint} />
    </div>
  );
}

type Choices = [value: string, name: string][];

export function Choice({ label, hint, value, set, of }: FieldProps & { value: string; set: (v: string) => void; of: Choices }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(e) => set(e.currentTarget.value)} aria-describedby={hint ? id + "-hint" : undefined}>
        {of.map(([v, name]) => (
          <option value={v} key={v}>
            {name}
          </option>
        ))}
      </select>
      <Hint id={id} of={hint} />
    </div>
  );
}

export function Check({ label, hint, value, set }: FieldProps & { value: boolean; set: (v: boolean) => void }) {
  const id = useId();
  return (
    <div class="field check">
      <input type="checkbox" id={id} checked={value} onChange={(e) => set(e.currentTarget.checked)} aria-describedby={hint ? id + "-hint" : undefined} />
      <label for={id}>{label}</label>
      <Hint id={id} of={hint} />
    </div>
  );
}

interface FormProps {
  action: string; // what its button says
  run: (lead: Lead) => Promise<void>;
  cancel?: () => void;
  danger?: boolean;
  disabled?: boolean;
  children?: ComponentChildren;
}

interface SearchProps {
  label: string; // says what is searched
  value: string; // what is searched for
  set: (value: string) => void;
  children?: ComponentChildren; // other filters, beside it
}

// Search narrows a list to what has a text; Enter, or emptying the field, sets it.
export function Search({ label, value, set, children }: SearchProps) {
  const [typed, setTyped] = useState(value);
  return (
    <form
      class="filter"
      role="search"
      onSubmit={(e) => {
        e.preventDefault();
        set(typed.trim());
      }}
    >
      <input type="search" aria-label={label} placeholder={label} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} onSearch={(e: Event) => set((e.currentTarget as HTMLInputElement).value.trim())} autoCapitalize="none" spellcheck={false} />
      {children}
    </form>
  );
}

// WhoseName tells password managers, which look for it beside a password, whose it is.
export function WhoseName() {
  return <input class="unseen" type="text" autoComplete="username" value={session()?.username ?? ""} readOnly tabIndex={-1} aria-hidden="true" />;
}

// Form runs an action, and shows why it was refused.
export function Form({ action, run, cancel, danger, disabled, children }: FormProps) {
  const a = useAction();
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        void a.run(run);
      }}
    >
      {children}
      <Failed error={a.error} />
      <div class="actions">
        <button type="submit" class={danger ? "danger" : "first"} disabled={a.busy || disabled}>
          {action}
        </button>
        {cancel && (
          <button type="button" onClick={cancel}>
            Cancel
          </button>
        )}
      </div>
    </form>
  );
}

function Failed({ error }: { error: Refused | undefined }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => ref.current?.scrollIntoView({ block: "nearest" }), [error]);
  return error ? (
    <div ref={ref}>
      <Problem error={error} />
    </div>
  ) : null;
}

interface DialogProps {
  title: string;
  close: () => void;
  done?: { current: boolean }; // what opened it goes away with what was done
  children: ComponentChildren;
}

// Dialog is open as long as it is there. The focus then goes back to where it was, or to
// the page's heading.
export function Dialog({ title, close, done, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.showModal();
    return () => {
      const to = done?.current ? document.querySelector("main h1") : before;
      if (to instanceof HTMLElement) to.focus({ preventScroll: done?.current });
    };
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        close();
      }}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  button: string; // what the button says that opens the dialog
  title: string;
  action: string;
  type?: string; // what must be typed before
  closed?: () => void; // the dialog is over, whatever came of it
  run: (lead: Lead) => Promise<void>; // it failed if it throws
  children: ComponentChildren; // what will happen
  label?: string;
}

// Confirm is a button for what destroys something. It asks before it does.
export function Confirm({ button, title, action, type, closed, run, children, label }: ConfirmProps) {
  const [open, set] = useState(false);
  const [typed, setTyped] = useState("");
  const done = useRef(false);
  const close = () => {
    set(false);
    setTyped("");
    closed?.();
  };
  return (
    <>
      <button
        type="button"
        class="danger"
        aria-label={label}
        onClick={() => {
          done.current = false;
          set(true);
        }}
      >
        {button}
      </button>
      {open && (
        <Dialog title={title} close={close} done={done}>
          <Form
            action={action}
            danger
            cancel={close}
            disabled={type !== undefined && typed !== type}
            run={async (lead) => {
              await run(lead);
              done.current = true;
              close();
            }}
          >
            <div class="warning">{children}</div>
            {type !== undefined && <Input label={`Type ${type} to confirm`} value={typed} set={setTyped} autoComplete="off" autoFocus />}
          </Form>
        </Dialog>
      )}
    </>
  );
}
