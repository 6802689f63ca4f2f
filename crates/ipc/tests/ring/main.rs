//! The rings against another side that writes whatever it likes into the memory that both have.

mod hostile;
mod memory;
mod racing;
