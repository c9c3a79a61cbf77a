package org.segformer3d.backend.tck;

import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.ReflectionSupport;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.Scope;

/** Skips a part of the contract as a whole on a backend that lacks what the part is about. */
abstract class OnlyIf implements ExecutionCondition {
    private final String capability;

    /** @param capability what the backend must do, as in "doesn't train" */
    private OnlyIf(String capability) {
        this.capability = capability;
    }

    abstract boolean can(Backend backend);

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        if (context.getTestMethod().isPresent()) {
            return ConditionEvaluationResult.enabled("decided for the class");
        }
        // the part is an inner class of the backend's own contract class, of which there is no instance yet
        Class<?> contractClass = context.getParent().orElseThrow().getRequiredTestClass();
        BackendContract contract = (BackendContract) ReflectionSupport.newInstance(contractClass);
        try (Backend backend = contract.provider().open(contract.options())) {
            return can(backend)
                    ? ConditionEvaluationResult.enabled("the backend can " + capability)
                    : ConditionEvaluationResult.disabled("backend '" + backend.name() + "' can't " + capability);
        }
    }

    /** Only on a backend that trains. */
    static final class Training extends OnlyIf {
        Training() {
            super("train");
        }

        @Override
        boolean can(Backend backend) {
            return backend.supportsTraining();
        }
    }

    /** Only on a backend that has operations. */
    static final class Operations extends OnlyIf {
        Operations() {
            super("compute operation by operation");
        }

        @Override
        boolean can(Backend backend) {
            try (Scope scope = backend.newScope()) {
                return backend.ops(scope, Pass.INFERENCE) != null;
            } catch (UnsupportedOperationException e) {
                return false;
            }
        }
    }

    /** Only on a backend that computes gradients of operations. */
    static final class Differentiable extends OnlyIf {
        Differentiable() {
            super("compute gradients of operations");
        }

        @Override
        boolean can(Backend backend) {
            return backend instanceof DifferentiableBackend;
        }
    }
}
