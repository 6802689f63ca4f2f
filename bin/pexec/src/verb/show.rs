//! `pexec show [RUN] [TASK]`: what came of a run, or of one of its instances with all that is known of it.

mod json;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use pexec_job::command::{Command, Stdin};
use pexec_job::planner::{self, Recall, SecretsFrom};
use pexec_job::record::Record;
use pexec_job::text::Text;
use pexec_job::work::Work;

use crate::cli::{PastFormat, Show};
use crate::exit::Exit;
use crate::past::{self, Attempt, Chosen, Collector, Head, Search, Told, stamp};
use crate::records::unusable;
use crate::speech::{complain, refuse};
use crate::{answer, typed, wording};

/// Tells it on standard output.
pub(crate) fn show(args: &Show) -> Exit {
    match tell(args) {
        Ok(()) => Exit::Success,
        Err(Failed::Output(error)) => answer::ended(Err(error)),
        Err(Failed::Said(exit)) => exit,
    }
}

/// The longest line that is shown as one.
const PIECE: u64 = 64 * 1024;

/// Why it cannot be told.
enum Failed {
    /// Standard output could not be written.
    Output(io::Error),
    /// That was told.
    Said(Exit),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Output(error)
    }
}

impl From<Exit> for Failed {
    fn from(exit: Exit) -> Failed {
        Failed::Said(exit)
    }
}

fn tell(args: &Show) -> Result<(), Failed> {
    let record = past::find(&past::store(args.run_dir.as_deref()), &args.run)?;
    let mut head = Head::of(&record);
    let mut search = args.task.as_deref().map(Search::new);
    past::read(&record, |event| {
        head.apply(event);
        if let Some(search) = &mut search {
            search.look(event);
        }
    })?;
    let chosen = match search {
        None => Chosen::All,
        Some(search) => search.end(record.id()).map_err(|why| refuse(&why))?,
    };
    let mut collector = Collector::default();
    for event in record.events().map_err(|error| unusable(&error))? {
        collector.apply(&event.map_err(|error| unusable(&error))?, &chosen);
    }
    let told = collector.end();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match (&chosen, told.as_slice()) {
        (_, told) if args.output => raw(&record, told, &mut out)?,
        (_, told) if args.format == PastFormat::Json => json::write(&record, &head, told, &mut out)?,
        (Chosen::All, told) => {
            match head.began() {
                None => writeln!(out, "run {}: {}", record.id(), head.end_in_full())?,
                Some(began) => writeln!(
                    out,
                    "run {} of job {}, {}: {}, in {}: {}",
                    record.id(),
                    Text::from(head.job()),
                    stamp(began),
                    head.tally(),
                    wording::span(head.elapsed()),
                    head.end_in_full()
                )?,
            }
            told.iter().try_for_each(|one| line(one, &mut out))?;
        }
        (Chosen::Task(_), several) if several.len() != 1 => {
            several.iter().try_for_each(|one| line(one, &mut out))?;
        }
        (_, several) => {
            for one in several {
                detail(&record, &head, one, &mut out)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// `failed      sum(a)  1.23s, 2 attempts: exit 3`.
fn line(one: &Told, out: &mut dyn Write) -> io::Result<()> {
    let (end, why) = one.end();
    write!(out, "{end:<11} {}", wording::label(&one.who.label))?;
    if let Some(ended) = one.attempts.last().and_then(|last| last.ended.as_ref()) {
        write!(out, "  {}", wording::span(ended.wall))?;
    }
    if let Some(n) = one.attempts.last().map(|last| last.number).filter(|n| *n > 1) {
        write!(out, ", attempt {n}")?;
    }
    match why.is_empty() {
        true => writeln!(out),
        false => writeln!(out, ": {why}"),
    }
}

/// All that is known of an instance.
fn detail(record: &Record, head: &Head, one: &Told, out: &mut dyn Write) -> Result<(), Failed> {
    let (end, why) = one.end();
    let colon = if why.is_empty() { "" } else { ": " };
    writeln!(out, "{}: {end}{colon}{why}", one.who.label)?;
    match planned(record, head, one) {
        Ok(work) => work_in_lines(&work, out)?,
        Err(why) => writeln!(out, "  command   not known: {why}")?,
    }
    for attempt in &one.attempts {
        told_attempt(attempt, out)?;
        if let Some(ended) = &attempt.ended {
            let at = ended.output_at.unwrap_or_default();
            for (name, at, len) in [
                ("standard output", at, ended.stdout),
                ("standard error", at + ended.stdout, ended.stderr),
            ] {
                if len > 0 {
                    stream(record, name, ended.output_at.map(|_| at), len, out)?;
                }
            }
        }
    }
    Ok(())
}

/// What it does, without secrets: planned again from the job file in the record.
fn planned(record: &Record, head: &Head, one: &Told) -> Result<Work, String> {
    let recall = Recall {
        who: &one.who,
        run_id: record.id(),
        dir: Path::new(head.dir.as_os_str()),
        set: &[],
        secrets: SecretsFrom::Nowhere,
    };
    let found = past::job_file_of(record, |job| planner::recall(job, &recall));
    let (_, mut plan) = found.map_err(|error| match error {
        planner::Unknown::Gone(why) => why,
        _ => "the record's job file cannot be planned here; `check` says why".to_owned(),
    })?;
    let instance = plan.tasks.pop().and_then(|mut task| task.instances.next());
    let Some(Ok(instance)) = instance else {
        return Err("the job has no such instance".to_owned());
    };
    let mut work = (instance.work)(1);
    plan.secrets.hide_work(&mut work);
    Ok(work)
}

fn work_in_lines(work: &Work, out: &mut dyn Write) -> io::Result<()> {
    match work {
        Work::Command(command) => command_in_lines(command, out),
        Work::Call(call) => writeln!(out, "  call      {}", typed::call(call)),
    }
}

fn command_in_lines(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  command   {}", typed::argv(&command.argv))?;
    writeln!(out, "  in        {}", typed::word(&command.cwd))?;
    for (name, value) in &command.env {
        writeln!(out, "  env       {name}={}", typed::word(value))?;
    }
    match &command.stdin {
        Stdin::Empty => {}
        Stdin::File(path) => writeln!(out, "  reads     {}", typed::word(path))?,
        Stdin::Text(text) => writeln!(out, "  reads     {} bytes of text", text.as_bytes().len())?,
    }
    Ok(())
}

fn told_attempt(attempt: &Attempt, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "  attempt {}", attempt.number)?;
    let Some(ended) = &attempt.ended else {
        write!(out, " did not end before the record did")?;
        return place(attempt, out);
    };
    write!(out, " {}", ended.outcome.as_str())?;
    if let Some(why) = &ended.why {
        write!(out, ": {why}")?;
    }
    write!(
        out,
        ", after {} ({} of CPU, {} MiB at most{})",
        wording::span(ended.wall),
        wording::span(ended.user + ended.system),
        ended.memory_peak.unwrap_or(ended.peak_rss).div_ceil(1 << 20),
        if ended.leaky { ", leaky" } else { "" }
    )?;
    place(attempt, out)
}

/// When and where it ran, and the end of the line.
fn place(attempt: &Attempt, out: &mut dyn Write) -> io::Result<()> {
    if let Some(began) = attempt.began {
        write!(out, ", from {}", stamp(began))?;
    }
    if let Some(worker) = attempt.worker {
        write!(out, ", worker {worker}")?;
    }
    if let Some(pid) = attempt.pid {
        write!(out, ", process {pid}")?;
    }
    writeln!(out)
}

/// What was captured, indented; control characters could move the cursor, and are escaped.
fn stream(record: &Record, name: &str, at: Option<u64>, len: u64, out: &mut dyn Write) -> Result<(), Failed> {
    writeln!(out, "    {name}, {}:", wording::plural(len, "byte"))?;
    let Some(at) = at else {
        writeln!(out, "      (not recorded)")?;
        return Ok(());
    };
    let captured = record.output(at, len).map_err(|error| unusable(&error))?;
    let mut captured = BufReader::new(captured);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line of any length is shown in pieces.
        let read = (&mut captured)
            .take(PIECE)
            .read_until(b'\n', &mut line)
            .map_err(|error| {
                complain(&format!("cannot read the output of run {}: {error}", record.id()));
                Exit::Record
            })?;
        if read == 0 {
            return Ok(());
        }
        line.pop_if(|last| *last == b'\n');
        writeln!(out, "      {}", Text(std::mem::take(&mut line)))?;
    }
}

/// The standard output of the last attempt that has ended, byte for byte.
fn raw(record: &Record, told: &[Told], out: &mut dyn Write) -> Result<(), Failed> {
    let [one] = told else {
        return Err(refuse(&format!(
            "{} are meant; --output prints that of one",
            wording::plural(told.len() as u64, "instance")
        ))
        .into());
    };
    let last = one
        .attempts
        .iter()
        .rev()
        .find_map(|attempt| attempt.ended.as_ref());
    let Some(ended) = last.filter(|ended| ended.stdout > 0) else {
        return Ok(());
    };
    let Some(at) = ended.output_at else {
        return Err(refuse(&format!("the output of {} was not recorded", one.who.label)).into());
    };
    let mut captured = record
        .output(at, ended.stdout)
        .map_err(|error| unusable(&error))?;
    io::copy(&mut captured, out)?;
    Ok(())
}
