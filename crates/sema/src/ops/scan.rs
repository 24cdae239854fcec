//! `scan`: steps whose expressions see the row and what each step remembers.

use super::join::property;
use crate::lowerer::Lowerer;
use crate::suggest;
use dtq_ir::rel::{ScanOutput, ScanStep, ScanSteps, SortKey};
use dtq_ir::{ExprId, RelId, RelKind};
use dtq_record::stream::Column;
use dtq_source::{Code, Diagnostic, Span};
use dtq_syntax::ast;
use dtq_value::{Type, Value};
use std::rc::Rc;

impl<'a> Lowerer<'a> {
    pub(super) fn lower_scan(&mut self, input: RelId, scan: &'a ast::Scan, span: Span) -> Option<RelId> {
        if !self.is_ordered(input) && scan.order_by.is_empty() {
            let diagnostic =
                Diagnostic::error(Code::E2014, span, "`scan` follows rows in order, but the rows here have none");
            self.report(diagnostic.label("write `| sort by ... asc` or `| serialize` before"));
            return None;
        }
        let columns = self.columns(input);
        let declared = self.scan_declared(&columns, scan)?;
        let (partition, order) = self.over(columns.clone(), |this| {
            let partition: Vec<Option<ExprId>> = scan.partition_by.iter().map(|key| this.scalar(key)).collect();
            let order: Vec<Option<SortKey>> = scan.order_by.iter().map(|key| this.sort_key(key)).collect();
            (partition, order)
        });
        let steps = self.scan_steps(&columns, &declared, scan);
        let mut output = columns;
        output.extend(declared.iter().map(|(column, _)| column.clone()));
        let match_id = property(&scan.properties, "with_match_id").map(|(text, _)| text.to_owned());
        output.extend(match_id.iter().map(|name| Column::new(name.clone(), Type::Long)));
        let made = ScanSteps {
            input,
            declared,
            has_match_id: match_id.is_some(),
            partition: partition.into_iter().collect::<Option<_>>()?,
            order: order.into_iter().collect::<Option<_>>()?,
            steps: steps?,
        };
        self.add_rel(RelKind::ScanSteps(Box::new(made)), output, true, span)
    }

    fn scan_declared(&mut self, columns: &[Column], scan: &'a ast::Scan) -> Option<Vec<(Column, ExprId)>> {
        let mut declared = Vec::new();
        for param in &scan.declare {
            let ast::ParamType::Scalar(ty) = &param.ty else {
                return self.fail(Code::E2006, param.name.span, "a column of `declare` is a scalar");
            };
            let ty = self.type_name(ty)?;
            if columns.iter().any(|column| column.name == param.name.text) {
                self.duplicate(&param.name.text, param.name.span);
            }
            let default = match &param.default {
                Some(default) => self.over(Vec::new(), |this| this.scalar_of(default, ty))?,
                None => self.constant(Value::missing(ty), ty, param.name.span)?,
            };
            declared.push((Column::new(param.name.text.clone(), ty), default));
        }
        Some(declared)
    }

    fn scan_steps(
        &mut self,
        columns: &[Column],
        declared: &[(Column, ExprId)],
        scan: &'a ast::Scan,
    ) -> Option<Vec<ScanStep>> {
        let mut remembered: Vec<Column> = columns.to_vec();
        remembered.extend(declared.iter().map(|(column, _)| column.clone()));
        let shared: Rc<[Column]> = remembered.into();
        let start = |index: usize| (columns.len() + index * shared.len()) as u32;
        let sides: Vec<(String, Rc<[Column]>, u32)> = scan
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| (step.name.text.clone(), shared.clone(), start(index)))
            .collect();
        let mut steps: Vec<Option<ScanStep>> = Vec::new();
        for step in &scan.steps {
            let mut scope = self.scope(columns.to_vec().into());
            scope.sides = sides.clone();
            self.rows.push(scope);
            let lowered = self.scan_step(declared, step);
            self.rows.pop();
            steps.push(lowered);
        }
        steps.into_iter().collect()
    }

    fn scan_step(&mut self, declared: &[(Column, ExprId)], step: &'a ast::ScanStep) -> Option<ScanStep> {
        let condition = self.condition(&step.condition);
        let mut assignments = Vec::new();
        let mut is_valid = true;
        for assignment in &step.assignments {
            match self.scan_assignment(declared, assignment) {
                Some(found) => assignments.push(found),
                None => is_valid = false,
            }
        }
        let output = match step.output.as_ref().map(|name| name.text.as_str()) {
            None | Some("all") => ScanOutput::All,
            Some("last") => ScanOutput::Last,
            Some("none") => ScanOutput::None,
            Some(other) => {
                let span = step.output.as_ref().map_or(step.name.span, |name| name.span);
                return self.fail(
                    Code::E1015,
                    span,
                    format!("`{other}` is not an output: write `all`, `last` or `none`"),
                );
            }
        };
        if step.is_optional {
            return self.unsupported(step.name.span, "a step of `scan` marked `optional`");
        }
        let condition = condition.filter(|_| is_valid)?;
        Some(ScanStep { name: step.name.text.clone(), condition, assignments, output, is_optional: false })
    }

    fn scan_assignment(
        &mut self,
        declared: &[(Column, ExprId)],
        assignment: &'a ast::Assignment,
    ) -> Option<(u32, ExprId)> {
        let [name] = assignment.names.as_slice() else {
            return self.fail(Code::E2005, assignment.span, "write `name = value`");
        };
        let Some(index) = declared.iter().position(|(column, _)| column.name == name.text) else {
            let known: Vec<String> = declared.iter().map(|(column, _)| column.name.clone()).collect();
            let message = format!("`{}` is not declared: only columns of `declare` can be assigned", name.text);
            let diagnostic = Diagnostic::error(Code::E2001, name.span, message);
            self.report(suggest::did_you_mean(diagnostic, name, &known));
            return None;
        };
        let value = self.scalar_of(&assignment.value, declared[index].0.ty)?;
        Some((index as u32, value))
    }
}
