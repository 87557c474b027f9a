//! Macros, blocks, arguments and evaluations: where to go, and where to go on afterwards.

use std::rc::Rc;

use crate::vtl::compile::compile;
use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::{Loaded, Machine};
use crate::vtl::render::scope::{Frame, FrameKind, Scope};
use crate::vtl::text_form::text_of;
use crate::vtl::value::{Block, Value};

/// Macros inside one another (Velocity's `velocimacro.max.depth`).
const MACRO_DEPTH_MAX: usize = 20;

/// Blocks, arguments, macros and evaluations inside one another.
const FRAMES_MAX: usize = 128;

/// Uses of one `#define` block inside itself; the next prints nothing (Velocity's `define.max.depth`).
const DEFINE_DEPTH_MAX: usize = 2;

/// Bytes of a text that `#evaluate` takes: that of a template.
const EVALUATED_BYTES_MAX: usize = 300 * 1024;

impl Machine<'_> {
    pub(super) fn enter_block(&mut self, block: Block) -> Result<(), RenderError> {
        let inside = self.frames.iter();
        let depth = inside
            .filter(|frame| frame.kind == FrameKind::Block(block))
            .count();
        if depth == DEFINE_DEPTH_MAX {
            self.stack.push(Value::Text(Rc::from("")));
            return Ok(());
        }
        self.enter(block, FrameKind::Block(block))?;
        self.captures.push(String::new());
        Ok(())
    }

    pub(super) fn enter(&mut self, block: Block, kind: FrameKind) -> Result<(), RenderError> {
        if self.frames.len() == FRAMES_MAX {
            return Err(RenderError::NestedTooDeep);
        }
        self.frames.push(Frame {
            program: self.program,
            next: self.next,
            scope: self.variables.current,
            kind,
        });
        self.program = block.program;
        self.next = block.code;
        self.variables.current = match kind {
            FrameKind::Argument | FrameKind::Macro => block.scope,
            FrameKind::Block(_) => block.scope.or(self.variables.current),
            FrameKind::Evaluation { .. } => self.variables.current,
        };
        Ok(())
    }

    pub(super) fn leave_frame(&mut self) -> Result<(), RenderError> {
        let frame = self.frames.pop().ok_or(RenderError::BadProgram)?;
        self.program = frame.program;
        self.next = frame.next;
        self.variables.current = frame.scope;
        match frame.kind {
            FrameKind::Block(_) => self.end_capture(false)?,
            FrameKind::Macro => {
                self.variables.scopes.pop();
            }
            FrameKind::Argument | FrameKind::Evaluation { .. } => {}
        }
        Ok(())
    }

    pub(super) fn call_macro(&mut self, call: u32) -> Result<(), RenderError> {
        let program = self.program;
        let unit = self.units.get(program).ok_or(RenderError::BadProgram)?;
        let call = unit.program.call(call).ok_or(RenderError::BadProgram)?;
        let Some(known) = self.macros.get(unit.program.text(call.name)).cloned() else {
            let source = call.source;
            return self.write_text(source);
        };
        let depth = self.variables.scopes.len();
        if depth == MACRO_DEPTH_MAX {
            return Err(RenderError::NestedTooDeep);
        }
        let caller = self.variables.current;
        let block = |code| Block {
            program,
            code,
            scope: caller,
        };
        let given = call
            .arguments
            .iter()
            .map(|argument| Some(block(argument.code)));
        let given = given.chain(std::iter::repeat(None));
        let arguments = known.parameters.iter().cloned().zip(given).collect();
        let body = call
            .body
            .map(|code| (Rc::from("bodyContent"), Value::Block(block(code))));
        self.variables.scopes.push(Scope {
            arguments,
            set: body.into_iter().collect(),
            caller,
        });
        let code = Block {
            program: known.program,
            code: known.code,
            scope: Some(depth),
        };
        self.enter(code, FrameKind::Macro)
    }

    pub(super) fn evaluate(&mut self) -> Result<(), RenderError> {
        let value = self.pop()?;
        let text = text_of(&self.heap, &value, &mut self.budget)?;
        if text.len() > EVALUATED_BYTES_MAX {
            return Err(RenderError::BadTemplate);
        }
        // compiling takes about a step for each byte, and its program about 32 bytes for each
        self.budget.step(64 + text.len())?;
        self.budget.keep(text.len().saturating_mul(32))?;
        let program = compile(&text).map_err(|_| RenderError::BadTemplate)?;
        let id = self.load(Loaded::Made(Rc::new(program)));
        let code = Block {
            program: id,
            code: 0,
            scope: None,
        };
        let kind = FrameKind::Evaluation {
            captures: self.captures.len(),
            rounds: self.rounds.len(),
            stack: self.stack.len(),
        };
        self.enter(code, kind)
    }

    /// Ends the innermost evaluation, keeping what it wrote; without one the rendering.
    pub(super) fn stop(&mut self) {
        let inner = |frame: &Frame| matches!(frame.kind, FrameKind::Evaluation { .. });
        let Some(at) = self.frames.iter().rposition(inner) else {
            self.stopped = true;
            return;
        };
        let (frame, after) = match self.frames.get(at) {
            Some(frame) => (*frame, self.frames.split_off(at)),
            None => return,
        };
        let macros = after
            .iter()
            .filter(|frame| frame.kind == FrameKind::Macro)
            .count();
        let scopes = self.variables.scopes.len().saturating_sub(macros);
        self.variables.scopes.truncate(scopes);
        if let FrameKind::Evaluation {
            captures,
            rounds,
            stack,
        } = frame.kind
        {
            self.captures.truncate(captures);
            self.rounds.truncate(rounds);
            self.stack.truncate(stack);
        }
        self.program = frame.program;
        self.next = frame.next;
        self.variables.current = frame.scope;
    }
}
