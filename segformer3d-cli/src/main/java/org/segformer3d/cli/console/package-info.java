/** Tables, JSON, numbers and progress on the console. */
package org.segformer3d.cli.console;
