/** The program: its top command, its exit codes and what it says when something fails. */
package org.segformer3d.cli;
