//! Right files with something changed at random: planned or refused, never anything else.

use crate::{Job, command};

const SEEDS: [&str; 3] = [
    r#"name = "n"
[run]
workers = "50%"
[vars]
root = "/x{two}"
two = 2
[defaults]
timeout = "30s"
env = { A = "1", B = { from_env = "PATH" } }
[tasks.a]
foreach = { range = "1..=9/2" }
matrix = { k = [1, "b"], exclude = [{ k = 1 }] }
command = ["x", "{item.stem}-{k}", "{{}}", "{root}"]
kill = ["TERM 5s", "KILL"]
[tasks.b]
needs = ["a"]
shell = "echo {index} 'it' \"$x\" $(y `z`) <<E\nbody\nE\n# {attempt}"
stdin = { text = "t" }
stdout = "o/{run_id}"
ok_exit = [0, 1]
"#,
    "[tasks.c]\nforeach={csv='in.csv'}\ncommand=['{a}','{b}','{item}']\nretries=3\nlabel='{a}'",
    "[tasks.g]\nforeach={glob='**/[a-z]*.{{t?t'}\nshell='''\ncat {item} ${{x}} '''\ncwd=\".\\u0041\"",
];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

fn mutate(text: &str, random: &mut Random) -> Vec<u8> {
    const BITS: [&str; 24] = [
        "{",
        "}",
        "\"",
        "'",
        "'''",
        "[",
        "]",
        "=",
        "\n",
        "\\",
        "$",
        "`",
        "\u{1}",
        "é",
        "..",
        "/",
        "-1",
        "{item}",
        "99999999999999999999",
        "\0",
        "<<",
        ",",
        "tasks.",
        "\r",
    ];
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, BITS[random.below(BITS.len())].bytes())),
            2 => drop(bytes.splice(at..end, BITS[random.below(BITS.len())].bytes())),
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                drop(bytes.splice(to..to, copy));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
        }
    }
    bytes
}

#[test]
fn a_changed_file_is_planned_or_refused_with_every_problem_in_the_text() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut job = Job::new("").file("in.csv", "a,b\n1,2\n").file("sub/f.txt", "");
    let (mut planned, mut refused) = (0, 0);
    for round in 0..3000 {
        let toml = mutate(SEEDS[round % SEEDS.len()], &mut random);
        // A pattern must not lead out of the test's directory.
        if round % SEEDS.len() == 2 && toml.windows(2).any(|pair| pair == b".." || pair == b"'/") {
            continue;
        }
        job = job.file("job.toml", &toml);
        match job.load() {
            Ok(plan) => {
                planned += 1;
                for task in plan.tasks {
                    // Standard input may have become a source; it is not for the test to read.
                    if task.total.is_some() {
                        for instance in task.instances.take(20).flatten() {
                            let command = command(&instance, 2);
                            assert!(!command.argv.is_empty() && !command.kill.is_empty());
                            assert!(command.argv.iter().all(|word| !word.as_bytes().contains(&0)));
                        }
                    }
                }
            }
            Err(problems) => {
                refused += 1;
                let text = problems.render(round % 2 == 0);
                assert!(!problems.is_empty() && text.contains("error"), "{text}");
                assert!(text.len() < 100_000, "{} bytes of text", text.len());
            }
        }
    }
    // The changes are such that both happen often.
    assert!(
        planned > 100 && refused > 1000,
        "{planned} planned, {refused} refused"
    );
}
