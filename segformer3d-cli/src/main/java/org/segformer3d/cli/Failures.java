package org.segformer3d.cli;

import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.loading.LoadingException;
import org.segformer3d.train.run.TrainingDivergedException;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns what a command throws into one line on standard error and an exit code. */
final class Failures {
    private Failures() {}

    /** Reports wrong use of the command line. */
    static int report(ParameterException exception, boolean verbose) {
        CommandLine command = exception.getCommandLine();
        PrintWriter err = command.getErr();
        err.println("segformer3d: " + oneLine(exception.getMessage()));
        UnmatchedArgumentException.printSuggestions(exception, err);
        err.println("Try '" + command.getCommandSpec().qualifiedName() + " --help'.");
        if (verbose) {
            exception.printStackTrace(err);
        }
        err.flush();
        return ExitCode.USAGE;
    }

    /** Reports anything else. */
    static int report(Throwable thrown, PrintWriter err, boolean verbose) {
        Throwable cause = unwrap(thrown);
        err.println("segformer3d: " + describe(cause));
        if (verbose) {
            thrown.printStackTrace(err);
        } else if (isInternal(cause)) {
            err.println(
                    "This is a mistake in the program: please report it with the output of the same command and --verbose.");
        }
        err.flush();
        return cause instanceof ConfigException ? ExitCode.USAGE : ExitCode.SOFTWARE;
    }

    private static Throwable unwrap(Throwable thrown) {
        Throwable cause = thrown;
        while (cause.getCause() != null
                && (cause instanceof UncheckedIOException
                        || cause instanceof ExecutionException
                        || cause instanceof CompletionException)) {
            cause = cause.getCause();
        }
        return cause;
    }

    static String describe(Throwable cause) {
        String message = cause.getMessage() == null ? "" : oneLine(cause.getMessage());
        if (cause instanceof OutOfMemoryError) {
            return "out of memory: " + message + "; the Java heap may take "
                    + (Runtime.getRuntime().maxMemory() >> 20)
                    + " MiB (raise it with SEGFORMER3D_JAVA_OPTS=-Xmx…), or use a smaller region, batch or fewer threads";
        }
        if (cause instanceof FileSystemException failure && failure.getReason() == null) {
            return fileProblem(failure) + message;
        }
        if (cause instanceof EOFException) {
            return "file ends too early" + (message.isEmpty() ? "" : ": " + message);
        }
        if (isInternal(cause)) {
            return "internal error: " + cause.getClass().getSimpleName() + (message.isEmpty() ? "" : ": " + message);
        }
        return message.isEmpty() ? cause.getClass().getSimpleName() : message;
    }

    /** Returns what these exceptions leave to their class name. */
    private static String fileProblem(FileSystemException failure) {
        if (failure instanceof NoSuchFileException) {
            return "no such file or folder: ";
        }
        if (failure instanceof AccessDeniedException) {
            return "permission denied: ";
        }
        if (failure instanceof FileAlreadyExistsException) {
            return "exists already: ";
        }
        if (failure instanceof NotDirectoryException) {
            return "not a folder: ";
        }
        return failure instanceof DirectoryNotEmptyException ? "folder is not empty: " : "";
    }

    /** Whether a message was written for developers, not for users. */
    private static boolean isInternal(Throwable cause) {
        if (cause instanceof LoadingException && cause.getCause() != null) {
            return isInternal(cause.getCause());
        }
        boolean expected = cause instanceof ConfigException
                || cause instanceof BackendException
                || cause instanceof TrainingDivergedException
                || cause instanceof FileSystemException
                || cause instanceof FileNotFoundException
                || cause instanceof IOException
                || cause instanceof IllegalArgumentException
                || cause instanceof IllegalStateException
                || cause instanceof UnsupportedOperationException
                || cause instanceof OutOfMemoryError;
        return !expected || cause.getMessage() == null && !(cause instanceof IOException);
    }

    private static String oneLine(String message) {
        return message.strip().replaceAll("\\s*[\\r\\n]+\\s*", "; ");
    }
}
