//! What an instance is, whatever its place in the job: a digest of its task, its item, and its command or call. Two
//! runs of one job agree on it, so a success in a record can be found again.
//!
//! What does not change the result of a success is left out: time limits, retries, exit codes that count.

use std::fmt;

use crate::call::{Argument, Call};
use crate::command::{Command, Stdin};
use crate::text::Text;
use crate::work::Work;

/// The digest: 128 bits of BLAKE3, so that among a million instances two different ones never share it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// Of the instance of `task` for `item` that does `work` at its first attempt.
    pub fn of(task: &str, item: Option<&Text>, work: &Work) -> Key {
        let mut digest = Digest(blake3::Hasher::new());
        digest.bytes(task.as_bytes()).text(item);
        match work {
            Work::Command(command) => digest.tag(0).command(command),
            Work::Call(call) => digest.tag(1).call(call),
        }
        let mut key = [0; 16];
        key.copy_from_slice(&digest.0.finalize().as_bytes()[..16]);
        Key(key)
    }

    /// As 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        const DIGITS: [char; 16] = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        ];
        let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.map(|nibble| DIGITS[usize::from(nibble)]).collect()
    }

    /// From 32 hexadecimal digits in lower case, as [`hex`](Key::hex) writes them.
    pub fn from_hex(text: &str) -> Option<Key> {
        /// The value of each digit; above 15: it is none. A record has a key in every line.
        const NIBBLES: [u8; 256] = {
            let mut nibbles = [0xff; 256];
            let mut value = 0;
            while value < 16 {
                nibbles[b"0123456789abcdef"[value] as usize] = value as u8;
                value += 1;
            }
            nibbles
        };
        let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
        let mut key = [0; 16];
        let mut all = 0;
        for (byte, pair) in key.iter_mut().zip(digits.as_chunks::<2>().0) {
            let [high, low] = pair.map(|digit| NIBBLES[usize::from(digit)]);
            *byte = high << 4 | low & 15;
            all |= high | low;
        }
        (all < 16).then_some(Key(key))
    }

    /// Its place in the order of keys, for who compares many of them.
    pub(crate) fn rank(&self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// Every part goes in with its kind or its length before it: no two instances give the same bytes.
struct Digest(blake3::Hasher);

impl Digest {
    fn tag(&mut self, tag: u8) -> &mut Digest {
        self.0.update(&[tag]);
        self
    }

    fn len(&mut self, len: usize) -> &mut Digest {
        self.0.update(&(len as u64).to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Digest {
        self.len(bytes.len()).0.update(bytes);
        self
    }

    fn text(&mut self, text: Option<&Text>) -> &mut Digest {
        match text {
            None => self.tag(0),
            Some(text) => self.tag(1).bytes(text.as_bytes()),
        }
    }

    fn command(&mut self, command: &Command) {
        self.len(command.argv.len());
        for word in &command.argv {
            self.bytes(word.as_bytes());
        }
        self.tag(u8::from(command.env_clear)).len(command.env.len());
        for (name, value) in &command.env {
            self.bytes(name.as_bytes()).bytes(value.as_bytes());
        }
        self.bytes(command.cwd.as_bytes());
        match &command.stdin {
            Stdin::Empty => self.tag(0),
            Stdin::File(path) => self.tag(1).bytes(path.as_bytes()),
            Stdin::Text(text) => self.tag(2).bytes(text.as_bytes()),
        };
        self.text(command.stdout.as_ref()).text(command.stderr.as_ref());
    }

    fn call(&mut self, call: &Call) {
        self.bytes(call.name.as_bytes()).len(call.arguments.len());
        for argument in &call.arguments {
            self.argument(argument.as_ref().unwrap_or(&Argument::None));
        }
        self.text(call.stdout.as_ref()).text(call.stderr.as_ref());
    }

    fn argument(&mut self, argument: &Argument) {
        match argument {
            Argument::None => {
                self.tag(0);
            }
            Argument::Boolean(value) => {
                self.tag(1).tag(u8::from(*value));
            }
            Argument::Integer(value) => {
                self.tag(2).0.update(&value.to_le_bytes());
            }
            Argument::Float(value) => {
                self.tag(3).0.update(&value.to_bits().to_le_bytes());
            }
            Argument::Text(text) => {
                self.tag(4).bytes(text.as_bytes());
            }
            Argument::List(items) => {
                self.tag(5).len(items.len());
                for item in items {
                    self.argument(item);
                }
            }
            Argument::Table(entries) => {
                self.tag(6).len(entries.len());
                for (name, value) in entries {
                    self.bytes(name.as_bytes()).argument(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(argv: &[&str]) -> Command {
        Command::new(argv.iter().copied(), "/")
    }

    fn key(task: &str, item: Option<&str>, argv: &[&str]) -> Key {
        let item = item.map(Text::from);
        Key::of(task, item.as_ref(), &Work::Command(command(argv)))
    }

    #[test]
    fn a_key_is_the_same_in_every_version_of_pexec() {
        // Records of earlier versions are resumed by it.
        let key = key("sum", Some("a b"), &["sha256sum", "a b"]);
        assert_eq!(key.hex(), "ce24a9451ecfbb34e7cff67e1cf1bfe4");
        assert_eq!(Key::from_hex(&key.hex()), Some(key));
    }

    #[test]
    fn whatever_an_instance_is_made_of_is_in_its_key() {
        let plain = command(&["x", "y"]);
        let variants = [
            key("t", None, &["x", "y"]),
            key("u", None, &["x", "y"]),
            key("t", Some(""), &["x", "y"]),
            key("t", Some("i"), &["x", "y"]),
            key("t", None, &["xy"]),
            key("t", None, &["x", "y", ""]),
            Key::of(
                "t",
                None,
                &Work::Command(Command {
                    env_clear: true,
                    ..plain.clone()
                }),
            ),
            Key::of(
                "t",
                None,
                &Work::Command(Command {
                    cwd: "/tmp".into(),
                    ..plain.clone()
                }),
            ),
            Key::of(
                "t",
                None,
                &Work::Command(Command {
                    stdin: Stdin::Text("".into()),
                    ..plain.clone()
                }),
            ),
            Key::of(
                "t",
                None,
                &Work::Command(Command {
                    stdin: Stdin::File("".into()),
                    ..plain.clone()
                }),
            ),
            Key::of(
                "t",
                None,
                &Work::Command(Command {
                    stdout: Some("o".into()),
                    ..plain.clone()
                }),
            ),
            Key::of(
                "t",
                None,
                &Work::Command(Command {
                    stderr: Some("o".into()),
                    ..plain.clone()
                }),
            ),
            Key::of(
                "t",
                None,
                &Work::Command(Command {
                    env: vec![("A".into(), "b".into())],
                    ..plain
                }),
            ),
        ];
        for (at, one) in variants.iter().enumerate() {
            assert!(!variants[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn what_does_not_change_a_success_is_not_in_its_key() {
        let other = Command {
            timeout: Some(std::time::Duration::from_secs(1)),
            ok_exit: vec![0, 1],
            limits: Default::default(),
            ..command(&["x"])
        };
        assert_eq!(Key::of("t", None, &Work::Command(other)), key("t", None, &["x"]));
    }

    #[test]
    fn only_what_was_written_as_a_key_is_read_as_one() {
        for text in [
            "",
            "00",
            &"0".repeat(31),
            &"0".repeat(33),
            &"G".repeat(32),
            &"A".repeat(32),
        ] {
            assert_eq!(Key::from_hex(text), None, "{text}");
        }
    }
}
