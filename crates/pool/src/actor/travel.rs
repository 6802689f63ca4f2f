//! An actor's handle inside a message: its door goes along as a descriptor.

use pexec_ipc::carry;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{self, Serialize, Serializer};

use super::away::Away;
use super::{Actor, Handle};

/// What stands in the message.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "Actor")]
struct Sent {
    door: u32,
    pid: u32,
    max_message: u64,
}

impl<State: 'static> Serialize for Actor<State> {
    /// Works inside a task's or a call's argument or result only.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Before there is a door: encoding may be tried where nothing can go along.
        carry::collecting().map_err(ser::Error::custom)?;
        let (door, max_message) = match &self.handle {
            Handle::Home(home) => {
                let door = home
                    .door()
                    .map_err(|e| ser::Error::custom(format!("no handle of an actor can be sent: {e}")))?;
                (door, home.alone.max_message())
            }
            Handle::Away(away) => (std::sync::Arc::clone(&away.door), away.max_message),
        };
        let sent = Sent {
            door: carry::put(&door).map_err(ser::Error::custom)?,
            pid: self.pid(),
            max_message,
        };
        sent.serialize(serializer)
    }
}

impl<'de, State: 'static> Deserialize<'de> for Actor<State> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Actor<State>, D::Error> {
        carry::providing().map_err(de::Error::custom)?;
        let Sent {
            door,
            pid,
            max_message,
        } = Sent::deserialize(deserializer)?;
        let door = carry::take(door).map_err(de::Error::custom)?;
        Ok(Actor::with(Handle::Away(std::sync::Arc::new(Away::new(
            door,
            pid,
            max_message,
        )))))
    }
}
