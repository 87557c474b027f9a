//! Macros, blocks, arguments and evaluations: where to go, and where to go on afterwards.

use std::rc::Rc;

use crate::vtl::compile::compile;
use crate::vtl::render::budget::TEXT_BYTES_MAX;
use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::{Capture, Loaded, Machine};
use crate::vtl::render::scope::{Frame, FrameKind, Open, Scope};
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
        self.captures.push(Capture::of_block());
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
            open: self.open(),
        });
        self.program = block.program;
        self.next = block.code;
        self.variables.current = match kind {
            FrameKind::Argument | FrameKind::Macro => block.scope,
            FrameKind::Block(_) => block.scope.or(self.variables.current),
            FrameKind::Evaluation => self.variables.current,
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
            FrameKind::Argument | FrameKind::Evaluation => {}
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
        self.budget.step(known.parameters.len() / 4)?;
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
        self.enter(code, FrameKind::Evaluation)
    }

    /// What is open now.
    pub(super) fn open(&self) -> Open {
        Open {
            stack: self.stack.len(),
            captures: self.captures.len(),
            rounds: self.rounds.len(),
            scopes: self.variables.scopes.len(),
        }
    }

    /// Closes what was opened since. What blocks wrote stays, what strings wrote goes with them.
    pub(super) fn close(&mut self, open: Open) {
        while self.rounds.len() > open.rounds {
            if let Some(round) = self.rounds.pop() {
                self.variables.restore(&round.variable, round.outside);
            }
        }
        self.stack.truncate(open.stack);
        self.variables.scopes.truncate(open.scopes);
        self.fold_captures(open.captures);
    }

    /// Appends the captures of blocks above `count` to the one below them, up to the first string.
    pub(super) fn fold_captures(&mut self, count: usize) {
        let above = self.captures.split_off(count.min(self.captures.len()));
        let Some(out) = self.captures.last_mut() else {
            return;
        };
        for capture in above.into_iter().take_while(|capture| capture.of_block) {
            if out.text.len() + capture.text.len() <= TEXT_BYTES_MAX {
                out.text.push_str(&capture.text);
            }
        }
    }

    /// Ends the innermost evaluation, keeping what it wrote; without one the rendering.
    pub(super) fn stop(&mut self) -> Result<(), RenderError> {
        let inner = |frame: &Frame| frame.kind == FrameKind::Evaluation;
        match self.frames.iter().rposition(inner) {
            Some(at) => self.leave_frames(at),
            None => {
                self.fold_captures(1);
                self.stopped = true;
                Ok(())
            }
        }
    }

    /// `#break` ends the innermost loop, block, macro or evaluation; without any the rendering.
    pub(super) fn break_out(&mut self) -> Result<(), RenderError> {
        let breaks = |frame: &Frame| frame.kind != FrameKind::Argument;
        let inner = self.frames.iter().rposition(breaks);
        let loop_frames = self.rounds.last().map(|round| round.frames);
        match (loop_frames, inner) {
            (Some(frames), Some(at)) if frames <= at => self.leave_frames(at),
            (None, Some(at)) => self.leave_frames(at),
            (Some(_), _) => {
                self.leave_loop();
                Ok(())
            }
            (None, None) => self.stop(),
        }
    }

    /// Leaves the frame at a place, and all above it.
    fn leave_frames(&mut self, at: usize) -> Result<(), RenderError> {
        self.frames.truncate(at + 1);
        if let Some(frame) = self.frames.last() {
            let mut open = frame.open;
            // its own scope and capture are closed with it
            match frame.kind {
                FrameKind::Macro => {}
                FrameKind::Block(_) => open.captures += 1,
                FrameKind::Argument | FrameKind::Evaluation => {}
            }
            self.close(open);
        }
        self.leave_frame()
    }
}
