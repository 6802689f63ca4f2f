//! A plan as a picture of its tasks, for Graphviz or Mermaid: a box for each, an arrow to each that waits for it.

use std::io::{self, Write};

use pexec_job::outlook::{Seen, Sums};
use pexec_job::plan::{Plan, TaskPlan};

use super::{Form, parts, size};

/// How it is spelt.
pub(super) struct Graph {
    begin: &'static str,
    end: &'static str,
    open: &'static str,
    line: &'static str,
    close: &'static str,
    arrow: &'static str,
    /// Characters that cannot stand for themselves within quotes.
    escapes: &'static [(char, &'static str)],
    begun: bool,
}

impl Graph {
    pub(super) fn dot() -> Graph {
        Graph {
            begin: "digraph {\n  rankdir=LR\n  node [shape=box]\n",
            end: "}\n",
            open: " [label=\"",
            line: "\\n",
            close: "\"]",
            arrow: " -> ",
            escapes: &[('"', "\\\""), ('\\', "\\\\")],
            begun: false,
        }
    }

    pub(super) fn mermaid() -> Graph {
        Graph {
            begin: "flowchart LR\n",
            end: "",
            open: "[\"",
            line: "<br/>",
            close: "\"]",
            arrow: " --> ",
            escapes: &[('"', "#quot;"), ('<', "#lt;"), ('>', "#gt;"), ('#', "#35;")],
            begun: false,
        }
    }

    fn escaped(&self, text: &str) -> String {
        let mut out = String::new();
        for c in text.chars() {
            match self.escapes.iter().find(|(escaped, _)| *escaped == c) {
                Some((_, spelt)) => out.push_str(spelt),
                None => out.push(c),
            }
        }
        out
    }

    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match std::mem::replace(&mut self.begun, true) {
            true => Ok(()),
            false => out.write_all(self.begin.as_bytes()),
        }
    }
}

impl Form for Graph {
    fn task(&mut self, out: &mut dyn Write, _: &TaskPlan, _: &[&str]) -> io::Result<()> {
        self.begin(out)
    }

    fn instance(&mut self, _: &mut dyn Write, _: &Seen) -> io::Result<()> {
        Ok(())
    }

    fn task_end(&mut self, out: &mut dyn Write, at: usize, task: &TaskPlan, sums: &Sums) -> io::Result<()> {
        let name = self.escaped(&task.name);
        write!(out, "  t{at}{}{name}{}{}", self.open, self.line, size(task))?;
        if sums.parts().next().is_some() {
            write!(out, "{}{}", self.line, parts(sums))?;
        }
        writeln!(out, "{}", self.close)
    }

    fn end(&mut self, out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
        self.begin(out)?;
        for (at, task) in plan.tasks.iter().enumerate() {
            for need in &task.needs {
                writeln!(out, "  t{need}{}t{at}", self.arrow)?;
            }
        }
        out.write_all(self.end.as_bytes())
    }
}
