// The run, as columns: place i of each column is about the same instance or attempt.
const data = JSON.parse(document.getElementById("data").textContent);
const { instances, attempts } = data;
const instanceCount = instances.label.length;
const attemptCount = attempts.start.length;
const stateOf = {};
data.states.forEach((name, place) => { stateOf[name] = place; });

// The last attempt of an instance, or -1.
const lastOf = (instance) => instances.last[instance] - 1;
const endOf = (attempt) => attempts.start[attempt] + attempts.wall[attempt];
const stateName = (attempt) => data.states[attempts.state[attempt]];
const labelOf = (instance) => instances.label[instance] || data.tasks[instances.task[instance]] + "/" + instances.index[instance];
const isFailure = (state) => state === stateOf.failed || state === stateOf.timeout || state === stateOf.memory;
const isSuccess = (state) => state === stateOf.success || state === stateOf.up_to_date;

// Why an instance is what it is, in a line.
function reasonOf(instance) {
  if (instances.by[instance]) return "after " + data.lines[instances.by[instance]];
  const last = lastOf(instance);
  return last < 0 ? "" : data.lines[attempts.why[last]];
}

// The attempts of an instance, the first one first.
const attemptsOf = (() => {
  const previous = new Int32Array(attemptCount).fill(-1);
  const seen = new Int32Array(instanceCount).fill(-1);
  for (let at = 0; at < attemptCount; at++) {
    const instance = attempts.instance[at];
    previous[at] = seen[instance];
    seen[instance] = at;
  }
  return (instance) => {
    const all = [];
    for (let at = seen[instance]; at >= 0; at = previous[at]) all.unshift(at);
    return all;
  };
})();

// How many instances are in each state.
const stateCounts = new Array(data.states.length).fill(0);
for (let i = 0; i < instanceCount; i++) stateCounts[instances.state[i]]++;

// Runs once, when its value is first asked for.
function lazy(make) {
  let value;
  let made = false;
  return () => {
    if (!made) { value = make(); made = true; }
    return value;
  };
}

// What attempts wrote; large, so it is read when somebody looks.
const captured = lazy(() => JSON.parse(document.getElementById("output").textContent));
