//! The API server's side: one object, compare-and-swap, and snapshots.

use super::super::WriteError;
use crate::election::record::{Record, Version};

/// What a candidate asks for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Get,
    Create(Record),
    Update(Record),
}

/// What it is told.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Got(Option<Record>),
    Wrote(Result<Record, WriteError>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Api {
    pub object: Option<Record>,
    pub revision: u64,
}

impl Api {
    pub(super) fn perform(&mut self, request: Request) -> Answer {
        match (request, &self.object) {
            (Request::Get, object) => Answer::Got(object.clone()),
            (Request::Create(_), Some(_)) => Answer::Wrote(Err(WriteError::AlreadyExists)),
            (Request::Update(_), None) => Answer::Wrote(Err(WriteError::NotFound)),
            (Request::Update(record), Some(object)) if record.version != object.version => {
                Answer::Wrote(Err(WriteError::Conflict))
            }
            (Request::Create(record) | Request::Update(record), _) => Answer::Wrote(Ok(self.store(record))),
        }
    }

    pub(super) fn store(&mut self, record: Record) -> Record {
        self.revision += 1;
        let stored = Record { version: Version(self.revision.to_string()), ..record };
        self.object = Some(stored.clone());
        stored
    }

    pub(super) fn delete(&mut self) {
        self.revision += 1;
        self.object = None;
    }
}
