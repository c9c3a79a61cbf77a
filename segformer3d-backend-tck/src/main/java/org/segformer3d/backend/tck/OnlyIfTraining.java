package org.segformer3d.backend.tck;

import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.ReflectionSupport;
import org.segformer3d.api.backend.Backend;

/** Skips a part of the contract as a whole on a backend that doesn't train. */
final class OnlyIfTraining implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        if (context.getTestMethod().isPresent()) {
            return ConditionEvaluationResult.enabled("decided for the class");
        }
        // the part is an inner class of the backend's own contract class, of which there is no instance yet
        Class<?> contractClass = context.getParent().orElseThrow().getRequiredTestClass();
        BackendContract contract = (BackendContract) ReflectionSupport.newInstance(contractClass);
        try (Backend backend = contract.provider().open(contract.options())) {
            return backend.supportsTraining()
                    ? ConditionEvaluationResult.enabled("the backend trains")
                    : ConditionEvaluationResult.disabled("backend '" + backend.name() + "' doesn't train");
        }
    }
}
