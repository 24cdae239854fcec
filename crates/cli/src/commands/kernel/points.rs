//! Points of what the kernel counts to a file of OTLP.

use super::loaded::Loaded;
use crate::commands::query;
use crate::failure::{Failure, Outcome};
use crate::output::otlp::write_delimited;
use dtq_rules::engine::Emission;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Holds the file that points are added to.
pub struct Points {
    path: PathBuf,
    file: File,
}

impl Points {
    /// Opens a file, which is made where it is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::options().append(true).create(true).open(path);
        let file = file.map_err(|error| failure(path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes requests, each behind its length.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, emissions: &[Emission]) -> Outcome {
        let mut bytes = Vec::new();
        for emission in emissions {
            write_delimited(&mut bytes, &emission.request)?;
        }
        self.file.write_all(&bytes).map_err(|error| failure(&self.path, &error))
    }

    /// Writes all points that are left of a program that runs no more; says whether they could be taken.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn finish(points: &mut Option<Self>, loaded: &mut Loaded) -> Result<bool, Failure> {
        let (Some(points), Some(meter)) = (points, &mut loaded.meter) else { return Ok(true) };
        let Ok(outcome) = meter.finish(query::now_ticks()) else { return Ok(false) };
        loaded.meter = None;
        points.write(&outcome.emissions)?;
        Ok(true)
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::Output(io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
}
