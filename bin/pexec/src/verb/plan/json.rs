//! A plan for programs: one object, with a line for each task and each instance.

use std::io::{self, Write};

use pexec_job::outlook::{Seen, Sums};
use pexec_job::plan::{Plan, TaskPlan};
use pexec_job::text::Text;
use pexec_job::work::Work;
use serde_json::{Value, json};

use super::Form;
use crate::answer::text;

pub(super) struct Json {
    head: String,
    begun: bool,
    tasks: Vec<Value>,
}

impl Json {
    pub(super) fn new(plan: &Plan) -> Json {
        let dir = Text::from(std::os::unix::ffi::OsStrExt::as_bytes(plan.dir.as_os_str()).to_vec());
        let head = format!(
            "{{\"job\":{},\"dir\":{},\"instances\":[",
            Value::from(plan.name.as_str()),
            text(&dir)
        );
        Json {
            head,
            begun: false,
            tasks: Vec::new(),
        }
    }

    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(std::mem::take(&mut self.head).as_bytes())
    }
}

impl Form for Json {
    fn task(&mut self, out: &mut dyn Write, task: &TaskPlan, needs: &[&str]) -> io::Result<()> {
        self.begin(out)?;
        self.tasks.push(json!({
            "task": task.name,
            "needs": needs,
            "total": task.total,
            "priority": task.start.priority,
        }));
        Ok(())
    }

    fn instance(&mut self, out: &mut dyn Write, seen: &Seen) -> io::Result<()> {
        let mut value = json!({
            "id": seen.who.id,
            "task": seen.who.task,
            "index": seen.who.index,
            "label": text(&seen.who.label),
            "action": seen.action.as_str(),
        });
        let mut set = |key: &str, set: Value| value[key] = set;
        if let Some(item) = &seen.who.item {
            set("item", text(item));
        }
        if let Some(key) = &seen.who.key {
            set("key", Value::from(key.hex()));
        }
        if let Some(why) = seen.action.why() {
            set("why", Value::from(why));
        }
        match &seen.work {
            Work::Command(command) => set("command", command.argv.iter().map(text).collect()),
            Work::Call(call) => set("call", Value::from(call.name.as_str())),
        }
        let comma = if std::mem::replace(&mut self.begun, true) {
            ","
        } else {
            ""
        };
        write!(out, "{comma}\n{value}")
    }

    fn task_end(&mut self, _: &mut dyn Write, _: usize, _: &TaskPlan, _: &Sums) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, _: &Plan) -> io::Result<()> {
        self.begin(out)?;
        let tasks: Vec<String> = self.tasks.iter().map(Value::to_string).collect();
        writeln!(out, "\n],\"tasks\":[\n{}\n]}}", tasks.join(",\n"))
    }
}
