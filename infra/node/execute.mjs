// Runs executions of state machines with an interpreter of the States Language. Each
// line of standard input is one: {definition, input, context, tasks, stopIn}. tasks
// gives for each state what its attempts answer, the last one again and again:
// {result} or {error, cause} or {hangs: true}. stopIn names the state in which the
// execution is stopped. For each, standard output gets a line: {output, error, calls:
// [{state, input}]}. It does not wait between attempts.
import { createInterface } from 'node:readline';
import { StateMachine } from 'aws-local-stepfunctions';

async function execute({ definition, input, context, tasks, stopIn }) {
  const calls = [];
  const handlers = {};
  const pauses = {};
  let execution;
  for (const [state, answers] of Object.entries(tasks)) {
    let attempt = 0;
    pauses[state] = 0;
    handlers[state] = async (given) => {
      calls.push({ state, input: given });
      const answer = answers[Math.min(attempt++, answers.length - 1)];
      if (state === stopIn) setTimeout(() => execution.abort(), 0);
      if (answer.hangs) await new Promise(() => {});
      if (answer.error) throw Object.assign(new Error(answer.cause ?? ''), { name: answer.error });
      return answer.result;
    };
  }
  execution = new StateMachine(definition).run(input, {
    context,
    overrides: { taskResourceLocalHandlers: handlers, retryIntervalOverrides: pauses },
  });
  try {
    return { output: await execution.result, error: null, calls };
  } catch (e) {
    return { output: null, error: { name: e.name, message: e.message }, calls };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await execute(JSON.parse(line))) + '\n');
}
process.exit(0); // a task that hangs would keep it
