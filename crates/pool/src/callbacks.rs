//! The thread on which `on_done` callbacks run: started with the first one, so that a pool without callbacks
//! has none. Callbacks may block, submit and stop the pool; they run one after the other, in the order in
//! which their tasks ended.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

type Callback = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Callback>,
    busy: bool,
    thread: Option<ThreadId>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut queue = self.lock();
        loop {
            if let Some(callback) = queue.waiting.pop_front() {
                queue.busy = true;
                drop(queue);
                callback();
                queue = self.lock();
                queue.busy = false;
                self.changed.notify_all();
            } else if queue.closed {
                return;
            } else {
                queue = self.wait(queue);
            }
        }
    }
}

pub(crate) struct Callbacks {
    name: String,
    shared: Arc<Shared>,
}

impl Callbacks {
    pub(crate) fn new(pool: &str) -> Callbacks {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        Callbacks {
            name: format!("{pool}-callbacks"),
            shared,
        }
    }

    pub(crate) fn run(&self, callback: Callback) {
        let mut queue = self.shared.lock();
        if queue.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            match std::thread::Builder::new()
                .name(self.name.clone())
                .spawn(move || shared.serve())
            {
                Ok(thread) => queue.thread = Some(thread.thread().id()),
                Err(_) => {
                    // No thread to be had: late and on the wrong thread is better than never.
                    drop(queue);
                    return callback();
                }
            }
        }
        queue.waiting.push_back(callback);
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Waits until no callback waits or runs; at once when called from a callback.
    pub(crate) fn drain(&self) {
        let mut queue = self.shared.lock();
        if queue.thread == Some(std::thread::current().id()) {
            return;
        }
        while queue.busy || !queue.waiting.is_empty() {
            queue = self.shared.wait(queue);
        }
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        // The thread finishes what waits and ends by itself; it may be the very one that drops this.
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}
