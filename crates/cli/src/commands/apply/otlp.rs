//! OTLP through the rules: what no rule changed leaves as the bytes that came.

use super::{Run, unreadable};
use crate::failure::Outcome;
use dtq_record::Inputs;
use dtq_record::otlp::Signal;
use dtq_record::otlp::requests::{Envelope, Piece};
use dtq_rules::engine::Output;

impl Run {
    /// Applies the rules to the requests of an input.
    pub(super) fn requests(&mut self, inputs: &Inputs, index: usize, envelope: Envelope) -> Outcome {
        let Some(mut requests) = inputs.requests(index).map_err(unreadable)? else { return Ok(()) };
        while let Some(piece) = requests.next_piece().map_err(unreadable)? {
            self.piece(&piece, envelope)?;
        }
        Ok(())
    }

    fn piece(&mut self, piece: &Piece<'_>, envelope: Envelope) -> Outcome {
        let main = self.main.as_mut().expect("requests go on as requests");
        let keeps = main.takes_as_is(envelope);
        for request in piece.requests {
            main.admits(request.signal);
        }
        if piece.requests.is_empty() && !piece.is_malformed {
            // A blank line, or a field that requests do not have.
            return if keeps { Ok(main.write_piece(piece)?) } else { Ok(()) };
        }
        let mut outcomes = Vec::new();
        if piece.is_malformed && envelope == Envelope::Json {
            // What could be read of it is not the whole: it passes as it came, or not at all.
            let signal = piece.requests.first().map_or(Signal::Logs, |request| request.signal);
            outcomes.push(self.apply_unreadable(signal, piece.original.len(), "a document is malformed"));
        } else {
            for request in piece.requests {
                outcomes.push(self.apply(request.signal, &request.bytes));
            }
        }
        let main = self.main.as_mut().expect("requests go on as requests");
        if keeps && outcomes.iter().all(|outcome| outcome.output == Output::Unchanged) {
            main.write_piece(piece)?;
        } else {
            for (request, outcome) in piece.requests.iter().zip(&outcomes) {
                match &outcome.output {
                    Output::Unchanged => main.write(request.signal, &request.bytes)?,
                    Output::Bytes(bytes) => main.write(request.signal, bytes)?,
                    Output::Empty => {}
                }
            }
        }
        for outcome in outcomes {
            self.emit(outcome)?;
        }
        Ok(())
    }
}
