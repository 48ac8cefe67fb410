//! DWARF expressions: small programs that compute where something is (DWARF 5, section 2.5).

use gimli::{Encoding, EndianSlice, EvaluationResult, Expression, Format, LittleEndian, Location, Piece, Value};

use super::Stack;
use crate::Registers;

/// Those that compilers and C libraries write take some ten steps.
const MAX_STEPS: u32 = 1000;

const ENCODING: Encoding = Encoding { address_size: 8, format: Format::Dwarf32, version: 4 };

/// Runs one; `first` is what is on its stack in the beginning. `None` when it asks for what is not known, or makes no sense.
pub(super) fn evaluate(code: &[u8], registers: &Registers, stack: &dyn Stack, first: Option<u64>) -> Option<u64> {
    let expression = Expression(EndianSlice::new(code, LittleEndian));
    let mut evaluation = expression.evaluation(ENCODING);
    evaluation.set_max_iterations(MAX_STEPS);
    if let Some(first) = first {
        evaluation.set_initial_value(first);
    }
    let mut state = evaluation.evaluate().ok()?;
    // Each of them asks no more often than it has steps.
    for _ in 0..MAX_STEPS {
        state = match state {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                evaluation.resume_with_register(Value::Generic(registers.get(register.0)?)).ok()?
            }
            EvaluationResult::RequiresMemory { address, size, .. } => {
                let word = stack.word(address)?;
                let bits = 8 * u32::from(size.clamp(1, 8));
                evaluation.resume_with_memory(Value::Generic(word & (u64::MAX >> (64 - bits)))).ok()?
            }
            _ => return None,
        };
    }
    if !matches!(state, EvaluationResult::Complete) {
        return None;
    }
    match evaluation.as_result() {
        [Piece { location: Location::Address { address }, .. }] => Some(*address),
        [Piece { location: Location::Value { value: Value::Generic(value) }, .. }] => Some(*value),
        _ => None,
    }
}
