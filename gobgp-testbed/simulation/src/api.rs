//! The API server's side: one object, compare-and-swap, and snapshots.

use vipcast::election::elector::WriteError;
use vipcast::election::record::{Record, Version};

/// What a candidate asks for.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Get,
    Create(Record),
    Update(Record),
}

/// What it is told.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Got(Option<Record>),
    Wrote(Result<Record, WriteError>),
}

/// The one Lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct Api {
    pub object: Option<Record>,
    revision: u64,
    /// How often it was restored.
    restored: u64,
}

/// More than a run has restores.
const RESTORES: u64 = 64;

impl Api {
    pub(crate) fn perform(&mut self, request: Request) -> Answer {
        match (request, &self.object) {
            (Request::Get, object) => Answer::Got(object.clone()),
            (Request::Create(_), Some(_)) => Answer::Wrote(Err(WriteError::AlreadyExists)),
            (Request::Update(_), None) => Answer::Wrote(Err(WriteError::NotFound)),
            (Request::Update(record), Some(object)) if record.version != object.version => {
                Answer::Wrote(Err(WriteError::Conflict))
            }
            (Request::Create(record), None) => {
                let uid = format!("uid-{}", self.revision);
                Answer::Wrote(Ok(self.store(Record { uid, ..record })))
            }
            (Request::Update(record), Some(_)) => Answer::Wrote(Ok(self.store(record))),
        }
    }

    pub(crate) fn store(&mut self, record: Record) -> Record {
        self.revision += 1;
        let stored = Record { version: self.version(), ..record };
        self.object = Some(stored.clone());
        stored
    }

    pub(crate) fn delete(&mut self) {
        self.revision += 1;
        self.object = None;
    }

    /// Goes back to what `snapshot` is, and counts from there.
    pub(crate) fn restore(&mut self, snapshot: &Self) {
        *self = Self { restored: self.restored + 1, ..snapshot.clone() };
    }

    /// Counts writes.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The version of everything that is there. A restored etcd counts from the snapshot again. That it gives a number
    /// to the Lease which the Lease had before is left out: compare-and-swap itself would take one for the other.
    pub(crate) fn version(&self) -> Version {
        Version((self.revision * RESTORES + self.restored % RESTORES).to_string())
    }
}
