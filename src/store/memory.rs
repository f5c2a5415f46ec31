//! State that ends with the process: for demos, tests, and read-only places.

use super::{Documents, Error, Store};

/// Keeps the state in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Documents);

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Documents, Error> {
        Ok(self.0.clone())
    }

    fn save(&mut self, documents: &Documents) -> Result<(), Error> {
        self.0.clone_from(documents);
        Ok(())
    }
}
